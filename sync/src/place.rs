//! The place of one who waits: of a future, and of a clause.

use std::mem;
use std::panic::Location;
use std::task::{Context, Poll, Waker};

use corox_core::probe::{Reason, WaitReason, is_installed};
use corox_core::probe_protocol::{Awaited, Detail};
use corox_core::select_protocol::{Attempt, Registered, Registrar};
use corox_core::waiters_protocol::{Key, State, Waiter, cancelled_here};

use crate::permits::{Permits, Want};

/// What one waits for, for dumps.
pub(crate) struct Named {
    pub(crate) what: Reason,
    /// Of which kind of lock.
    pub(crate) which: &'static str,
}

/// Of a future.
pub(crate) struct Place {
    progress: Progress,
    location: &'static Location<'static>,
}

enum Progress {
    /// In no line yet.
    New,
    /// In that of its lock, with the note of the probes if there are any.
    Waits(Key, Option<Box<WaitReason>>),
    Ended,
}

impl Place {
    #[inline]
    pub(crate) fn new(location: &'static Location<'static>) -> Self {
        Place {
            progress: Progress::New,
            location,
        }
    }

    /// Ready when it has the permits.
    #[inline(always)]
    pub(crate) fn poll(
        &mut self,
        permits: &Permits,
        want: Want,
        named: &'static Named,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        // M-3: without asking whether the coroutine is cancelled.
        if matches!(self.progress, Progress::New) && permits.try_take(want) {
            // What is new has nothing to be dropped, which is not seen here.
            mem::forget(mem::replace(&mut self.progress, Progress::Ended));
            return Poll::Ready(());
        }
        self.poll_slowly(permits, want, named, cx)
    }

    #[inline(never)]
    fn poll_slowly(
        &mut self,
        permits: &Permits,
        want: Want,
        named: &'static Named,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let polled = match self.progress {
            Progress::New => self.wait(permits, want, cx),
            Progress::Waits(key, _) => self.poll_again(key, permits, cx),
            Progress::Ended => panic!("a future was polled after it had ended"),
        };
        match polled {
            Poll::Ready(()) => self.progress = Progress::Ended,
            Poll::Pending if is_installed() => self.note(permits, want, named),
            Poll::Pending => {}
        }
        polled
    }

    fn wait(&mut self, permits: &Permits, want: Want, cx: &mut Context<'_>) -> Poll<()> {
        // Before the lock of the line: a waker is foreign code.
        let waker = cx.waker().clone();
        let (key, served) = permits.wait(Waiter::Task(waker), want);
        if served {
            permits.take_up(key);
            return Poll::Ready(());
        }
        self.progress = Progress::Waits(key, None);
        Poll::Pending
    }

    fn poll_again(&mut self, key: Key, permits: &Permits, cx: &mut Context<'_>) -> Poll<()> {
        // M-2: what was handed over is not taken by a coroutine that is cancelled.
        if cancelled_here() {
            return Poll::Pending;
        }
        let mut fresh: Option<Waker> = None;
        loop {
            let mut line = permits.line();
            if line.waiters.state(key) != State::Queued {
                let released = line.take_up(key);
                drop(line);
                drop(released);
                return Poll::Ready(());
            }
            if line.waiters.wakes(key, cx.waker()) {
                return Poll::Pending;
            }
            let Some(waker) = fresh.take() else {
                drop(line);
                fresh = Some(cx.waker().clone());
                continue;
            };
            let old = line.waiters.renew(key, waker);
            drop(line);
            drop(old);
            return Poll::Pending;
        }
    }

    pub(crate) fn is_new(&self) -> bool {
        matches!(self.progress, Progress::New)
    }

    /// Of a future that is ready though it has taken nothing.
    pub(crate) fn end(&mut self) {
        self.progress = Progress::Ended;
    }

    #[cold]
    fn note(&mut self, permits: &Permits, want: Want, named: &'static Named) {
        if let Progress::Waits(_, note) = &mut self.progress {
            let new = || Box::new(WaitReason::at(&named.what, self.location).by_coroutines());
            let reason = note.get_or_insert_with(new);
            reason.note_for(|| describe(permits, want, named.which));
        }
    }

    /// The future goes, whatever it has come to: what it was handed goes to the next.
    #[inline]
    pub(crate) fn leave(&mut self, permits: &Permits) {
        if let Progress::Waits(key, _) = self.progress {
            self.progress = Progress::Ended;
            permits.leave(key);
        }
    }
}

fn describe(permits: &Permits, want: Want, kind: &'static str) -> (Detail, Awaited) {
    let which = permits.which(kind);
    let detail = Detail::Lock {
        which,
        permits: want.permits,
    };
    let awaited = Awaited::Lock {
        lock: which.identity,
        permits: want.permits,
        all: permits.all(),
    };
    (detail, awaited)
}

/// Of a clause.
#[derive(Default)]
pub(crate) enum Part {
    #[default]
    Nothing,
    /// It waits, or has been served.
    Waits(Key),
    /// It has taken the permits itself.
    Taken,
}

impl Part {
    pub(crate) fn register(
        &mut self,
        permits: &Permits,
        want: Want,
        named: &'static Named,
        at: &mut Registrar<'_>,
    ) -> Registered {
        at.note(|| {
            let (text, awaited) = describe(permits, want, named.which);
            (format!("{} of {text}", named.what.0), awaited)
        });
        if want.permits == 0 {
            *self = Part::Taken;
            return at.claim();
        }
        // Without a ticket of any clause nobody else can claim the select, and none is needed for what is there already.
        if at.existing_ticket().is_none() && permits.try_take(want) {
            *self = Part::Taken;
            return Registered::Won;
        }
        let (key, served) = permits.wait(Waiter::Select(at.ticket()), want);
        *self = Part::Waits(key);
        told(served)
    }

    /// As [`Clause::attempt`](corox_core::Clause): nobody else can claim a select of which nothing is registered.
    #[inline]
    pub(crate) fn attempt(&mut self, permits: &Permits, want: Want) -> Attempt {
        if !permits.try_take(want) {
            return Attempt::Nothing;
        }
        *self = Part::Taken;
        Attempt::Won
    }

    /// As [`Clause::proceed`](corox_core::Clause): somebody may have passed the select over.
    pub(crate) fn proceed(&mut self, permits: &Permits, at: &mut Registrar<'_>) -> Registered {
        match self {
            Part::Waits(key) if at.is_retry() => told(permits.look_again(*key)),
            _ => Registered::Waits,
        }
    }

    /// The clause has won.
    pub(crate) fn take_up(&mut self, permits: &Permits) {
        match mem::take(self) {
            Part::Waits(key) => permits.take_up(key),
            Part::Taken => {}
            Part::Nothing => {
                unreachable!("a clause that has won has taken something or was handed it")
            }
        }
    }

    /// S-11, S-12: the registration is taken back, and so is what it came to.
    pub(crate) fn leave(&mut self, permits: &Permits, taken: usize) {
        match mem::take(self) {
            Part::Waits(key) => permits.leave(key),
            Part::Taken => permits.give_back_owned(taken),
            Part::Nothing => {}
        }
    }
}

/// Served or not, it is the cell that knows who has won: this clause, if it was served.
fn told(served: bool) -> Registered {
    if served {
        Registered::Lost
    } else {
        Registered::Waits
    }
}

//! A channel, as its handles and futures share it: the lock, the hook, and what happens after the lock.

use std::fmt;
use std::panic::Location;
// The hints and counts are not what a model is about.
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Waker};

use corox_core::error_protocol::{of_no_job, same_for_a_job};
use corox_core::probe::{Reason, WaitReason, is_installed};
use corox_core::probe_protocol::{Awaited, Detail, Identity};
use corox_core::waiters_protocol::{FirstPanic, Key, State as Entry};
use corox_core::{Error, Job};

use crate::capacity::{BufferOverflow, Capacity};
use crate::shim::{self, Mutex, MutexGuard};
use crate::state::{CloseHandler, Handler, Phase, State};

/// What is given the elements that nobody will receive.
pub(crate) type Hook<T> = Box<dyn Fn(T) + Send + Sync>;

pub(crate) struct Shared<T> {
    pub(crate) state: Mutex<State<T>>,
    /// Whether somebody waited when the lock was last held for it. A guess for the next one, who clones the waker before the
    /// lock if it is likely to be needed: a wrong one costs a clone, or a second lock.
    pub(crate) receiver_waits: AtomicBool,
    pub(crate) sender_waits: AtomicBool,
    /// A select has found nothing to receive, and nothing has come since: set and cleared under the lock. What has happened before a
    /// look at it is seen by that look, so that the next select need not take the lock to find nothing again.
    found_empty: shim::AtomicBool,
    is_rendezvous: bool,
    hook: Option<Hook<T>>,
    made: &'static Location<'static>,
    capacity: Capacity,
    /// How many [`Sender`](crate::Sender)s and [`Receiver`](crate::Receiver)s there are.
    pub(crate) split: [AtomicUsize; 2],
}

impl<T> Shared<T> {
    pub(crate) fn new(
        capacity: Capacity,
        settled: (usize, BufferOverflow),
        hook: Option<Hook<T>>,
        made: &'static Location<'static>,
    ) -> Self {
        let (room, overflow) = settled;
        Shared {
            state: Mutex::new(State::new(room, overflow)),
            receiver_waits: AtomicBool::new(false),
            sender_waits: AtomicBool::new(false),
            found_empty: shim::AtomicBool::new(false),
            is_rendezvous: room == 0,
            hook,
            made,
            capacity,
            split: [AtomicUsize::new(0), AtomicUsize::new(0)],
        }
    }

    pub(crate) fn has_hook(&self) -> bool {
        self.hook.is_some()
    }

    pub(crate) fn made(&self) -> &'static Location<'static> {
        self.made
    }

    #[inline]
    pub(crate) fn send_will_wait(&self) -> bool {
        self.is_rendezvous && !self.receiver_waits.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn receive_will_wait(&self) -> bool {
        self.is_rendezvous && !self.sender_waits.load(Ordering::Relaxed)
    }

    /// After a change of who waits, under the lock.
    #[inline]
    pub(crate) fn note_waiters(&self, state: &State<T>) {
        let receivers = !state.receivers.is_empty();
        self.receiver_waits.store(receivers, Ordering::Relaxed);
        let senders = !state.senders.is_empty();
        self.sender_waits.store(senders, Ordering::Relaxed);
    }

    /// Whether a receive would find nothing. Without the lock: what comes meanwhile is not seen.
    #[inline]
    pub(crate) fn is_found_empty(&self) -> bool {
        self.found_empty.load(Ordering::Relaxed)
    }

    /// Under the lock: there is nothing to be received, and no sender waits that could be claimed, be it after a poll.
    #[inline]
    pub(crate) fn find_empty(&self) {
        self.found_empty.store(true, Ordering::Relaxed);
    }

    /// Under the lock: something has come that a receive would find, be it a sender that waits or the close.
    #[inline]
    pub(crate) fn note_arrival(&self) {
        if self.is_found_empty() {
            self.found_empty.store(false, Ordering::Relaxed);
        }
    }

    /// What becomes of an element that nobody will receive: the hook is given it, or it is dropped. A panic goes to the caller.
    pub(crate) fn dispose(&self, element: T) {
        match &self.hook {
            Some(hook) => hook(element),
            None => drop(element),
        }
    }

    /// The same where nothing may unwind: in a destructor.
    pub(crate) fn dispose_quietly(&self, element: T) {
        let mut panics = FirstPanic::default();
        panics.run(self.made, || self.dispose(element));
        panics.report(self.made);
    }

    /// The same for several, each of which is disposed of, whatever another one does.
    fn dispose_all(&self, elements: impl IntoIterator<Item = T>, panics: &mut FirstPanic) {
        if !self.has_hook() && !std::mem::needs_drop::<T>() {
            return;
        }
        for element in elements {
            panics.run(self.made, || self.dispose(element));
        }
    }

    fn wake_all(&self, wakers: impl IntoIterator<Item = Option<Waker>>, panics: &mut FirstPanic) {
        for waker in wakers.into_iter().flatten() {
            panics.run(self.made, || waker.wake());
        }
    }

    /// Locks the state, unless the entry is still in its queue: then `cx` is who will be woken.
    pub(crate) fn lock_if_served(
        &self,
        key: Key,
        cx: &mut Context<'_>,
    ) -> Option<MutexGuard<'_, State<T>>> {
        let mut fresh: Option<Waker> = None;
        loop {
            let mut state = self.state.lock();
            if state.waiters.state(key) != Entry::Queued {
                return Some(state);
            }
            if state.waiters.wakes(key, cx.waker()) {
                return None;
            }
            let Some(waker) = fresh.take() else {
                // A waker is foreign code, which is not called under the lock.
                drop(state);
                fresh = Some(cx.waker().clone());
                continue;
            };
            let old = state.waiters.renew(key, waker);
            drop(state);
            drop(old);
            return None;
        }
    }

    /// The element of a receive that was dropped before it took it. Not called under the lock; never unwinds.
    #[cold]
    pub(crate) fn give_back(&self, element: T, place: u64) {
        if self.has_hook() {
            return self.dispose_quietly(element);
        }
        let left = {
            let mut state = self.state.lock();
            let left = state.put_back(element, place);
            self.note_arrival();
            self.note_waiters(&state);
            left
        };
        match left {
            Ok(Some(waker)) => waker.wake(),
            Ok(None) => {}
            Err(too_old) => self.dispose_quietly(too_old),
        }
    }

    /// C-7, C-8: no more sends; who waits for an element is told in order, and what is there stays.
    pub(crate) fn close(&self, cause: Option<Error>) -> (bool, FirstPanic) {
        let mut panics = FirstPanic::default();
        cause.iter().for_each(of_no_job);
        let (before, receivers, handler) = {
            let mut state = self.state.lock();
            if state.is_closed() {
                drop(state);
                return (false, panics);
            }
            let before = state.set_phase(Phase::Closed(cause.clone()));
            self.note_arrival();
            let receivers = state.close_queue(false);
            self.note_waiters(&state);
            (before, receivers, take_handler(&mut state))
        };
        self.wake_all(receivers.into_iter().map(|(_, waker)| waker), &mut panics);
        if let Some(handler) = handler {
            panics.run(self.made, || handler(cause.as_ref()));
        }
        if let Phase::Unstarted(actor) = before {
            actor.start();
        }
        (true, panics)
    }

    /// C-9: as `close`, and nothing is kept. `false` if it was closed before, whose cause stays.
    pub(crate) fn cancel(&self, cause: Error) -> (bool, FirstPanic) {
        let mut panics = FirstPanic::default();
        of_no_job(&cause);
        let (was_open, before, producer);
        let (first, handler, put_back, buffer, senders, receivers);
        {
            let mut state = self.state.lock();
            was_open = !state.is_closed();
            first = if was_open {
                Some(cause.clone())
            } else {
                state.cause()
            };
            before = state.set_phase(Phase::Cancelled(first.clone()));
            self.note_arrival();
            producer = state.producer.take();
            put_back = std::mem::take(&mut state.put_back);
            buffer = std::mem::take(&mut state.buffer);
            // With a hook it is given them in their order; without one each goes back to its sender, with the error.
            let hooked = self.has_hook();
            senders = state
                .close_queue(true)
                .into_iter()
                .map(|(key, waker)| {
                    let element = &mut state.waiters.value(key).element;
                    let element = if hooked { element.take() } else { None };
                    (element, waker)
                })
                .collect::<Vec<_>>();
            receivers = state.close_queue(false);
            self.note_waiters(&state);
            handler = take_handler(&mut state);
        }
        let mut undelivered = Vec::new();
        let mut wakers = Vec::new();
        for (element, waker) in senders {
            undelivered.extend(element);
            wakers.push(waker);
        }
        wakers.extend(receivers.into_iter().map(|(_, waker)| waker));
        self.wake_all(wakers, &mut panics);
        self.dispose_all(put_back.into_iter().map(|(_, it)| it), &mut panics);
        self.dispose_all(buffer, &mut panics);
        self.dispose_all(undelivered, &mut panics);
        if let Some(handler) = handler {
            panics.run(self.made, || handler(first.as_ref()));
        }
        if let Some(producer) = producer {
            producer.cancel_with(same_for_a_job(&cause));
        }
        drop(before);
        (was_open, panics)
    }

    /// C-16. Gives the handler back if there is one already.
    pub(crate) fn on_close(&self, handler: CloseHandler) -> Result<(), CloseHandler> {
        let cause = {
            let mut state = self.state.lock();
            if !matches!(state.handler, Handler::None) {
                drop(state);
                return Err(handler);
            }
            if !state.is_closed() {
                state.handler = Handler::Set(handler);
                return Ok(());
            }
            state.handler = Handler::Called;
            state.cause()
        };
        handler(cause.as_ref());
        Ok(())
    }

    /// A cancellation of the channel is to cancel `job`.
    pub(crate) fn link(&self, job: &Job) {
        let cause = {
            let mut state = self.state.lock();
            let Phase::Cancelled(cause) = &state.phase else {
                state.producer = Some(job.clone());
                return;
            };
            cause.clone()
        };
        job.cancel_with(match cause {
            Some(cause) => same_for_a_job(&cause),
            None => Error::cancellation("the channel was cancelled"),
        });
    }

    pub(crate) fn unlink(&self) {
        let producer = self.state.lock().producer.take();
        drop(producer);
    }

    /// The channel, of which nobody else has a handle yet, is the mailbox of a lazy actor.
    pub(crate) fn start_with(&self, actor: &Job) {
        let before = self.state.lock().set_phase(Phase::Unstarted(actor.clone()));
        drop(before);
    }

    /// Starts the actor, if that has not been done meanwhile.
    #[cold]
    pub(crate) fn start(&self) {
        let before = {
            let mut state = self.state.lock();
            match state.phase {
                Phase::Unstarted(_) => state.set_phase(Phase::Open),
                _ => return,
            }
        };
        if let Phase::Unstarted(actor) = before {
            actor.start();
        }
    }

    /// For a wait that begins or goes on: the note of the probes, if there are any.
    #[inline]
    pub(crate) fn note_wait(
        &self,
        note: &mut Option<Box<WaitReason>>,
        what: &'static Reason,
        location: &'static Location<'static>,
    ) {
        if is_installed() {
            self.note_slowly(note, what, location);
        }
    }

    #[cold]
    fn note_slowly(
        &self,
        note: &mut Option<Box<WaitReason>>,
        what: &'static Reason,
        location: &'static Location<'static>,
    ) {
        let new = || Box::new(WaitReason::at(what, location).by_coroutines());
        note.get_or_insert_with(new).note_for(|| self.as_awaited());
    }
}

impl<T> Shared<T> {
    /// What a wait at one of its ends is noted as: by its address, too, so that the other end is found among the channels of one line.
    pub(crate) fn as_awaited(&self) -> (Detail, Awaited) {
        let identity = Identity::of(self);
        let (kind, capacity) = self.kind();
        let detail = Detail::Channel {
            kind,
            capacity,
            identity,
            made: self.made,
        };
        (detail, Awaited::Channel(identity))
    }

    /// The capacity as it was asked for: a name, and perhaps a number.
    fn kind(&self) -> (&'static str, Option<usize>) {
        match self.capacity {
            Capacity::Exactly(room) => ("Channel", Some(room)),
            Capacity::Rendezvous => ("Channel(Rendezvous)", None),
            Capacity::Buffered => ("Channel(Buffered)", None),
            Capacity::Conflated => ("Channel(Conflated)", None),
            Capacity::Unlimited => ("Channel(Unlimited)", None),
        }
    }
}

fn take_handler<T>(state: &mut State<T>) -> Option<CloseHandler> {
    match std::mem::replace(&mut state.handler, Handler::None) {
        Handler::Set(handler) => {
            state.handler = Handler::Called;
            Some(handler)
        }
        other => {
            state.handler = other;
            None
        }
    }
}

/// Which channel it is: by its capacity and the line that made it. In dumps it has its address, too.
impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            (kind, None) => write!(f, "{kind} made at {}", self.made),
            (kind, Some(capacity)) => write!(f, "{kind}({capacity}) made at {}", self.made),
        }
    }
}

/// The last handle is gone: what is left is as good as cancelled.
impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let (put_back, buffer, waiters) = {
            let mut state = self.state.lock();
            (
                std::mem::take(&mut state.put_back),
                std::mem::take(&mut state.buffer),
                std::mem::take(&mut state.waiters),
            )
        };
        let mut panics = FirstPanic::default();
        self.dispose_all(put_back.into_iter().map(|(_, it)| it), &mut panics);
        self.dispose_all(buffer, &mut panics);
        // Of futures that were leaked: what they were handed, or had not handed over.
        let leaked = waiters.into_values().filter_map(|slot| slot.element);
        self.dispose_all(leaked, &mut panics);
        panics.report(self.made);
    }
}

#[cfg(all(test, not(corox_loom)))]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::Context;

    use corox_core::select;

    use super::*;
    use crate::Channel;

    fn wait<F: Future>(future: F) {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pin!(future).poll(&mut cx).is_pending());
    }

    #[test]
    fn a_million_waits_that_are_given_up_leave_nothing() {
        let channel = Channel::new(0);
        for n in 0..250_000 {
            wait(channel.receive());
            wait(channel.send(n));
            wait(select((channel.on_receive(),)));
            wait(select((channel.on_send(n),)));
        }
        let mut many: Vec<_> = (0..1000).map(|_| channel.receive()).collect();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(
            many.iter_mut()
                .all(|it| pin!(it).poll(&mut cx).is_pending())
        );
        drop(many);
        let state = channel.shared.state.lock();
        assert_eq!((state.waiters.live(), state.waiters.capacity()), (0, 0));
        assert!(state.receivers.is_empty() && state.senders.is_empty());
    }

    #[test]
    fn a_buffer_that_has_run_empty_is_given_back() {
        let channel = Channel::new(usize::MAX);
        for n in 0..100_000 {
            channel.try_send(n).unwrap();
        }
        while channel.try_receive().is_ok() {}
        assert_eq!(channel.shared.state.lock().buffer.capacity(), 0);
    }
}

//! Items from a coroutine to whoever collects, in batches: one lock a batch.

use std::collections::VecDeque;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use corox_channels::BufferOverflow;
use corox_core::Result;
use corox_core::probe::{Reason, WaitReason, is_installed};

use crate::shim::{AtomicBool, AtomicWaker, Mutex};

/// With less room the items are taken one by one: to take all would let the producer run ahead by twice as many.
const TAKEN_WHOLE: usize = 16;

/// So many items at most are in one batch.
pub(super) const BATCH: usize = 128;

/// What both ends share.
pub(super) struct HandOver<T> {
    state: Mutex<State<T>>,
    room: usize,
    overflow: BufferOverflow,
    /// Whoever collects has taken all that there was. Written under the lock; a hint for the producer.
    all_taken: AtomicBool,
    /// Of the producer, while it waits for room.
    producer: AtomicWaker,
    /// Of whoever collects, while it waits for an item.
    consumer: AtomicWaker,
    /// Where it was asked for.
    location: &'static Location<'static>,
}

struct State<T> {
    queue: VecDeque<T>,
    ended: Option<Result<()>>,
    /// There is room for one more, the first, for whoever collects has asked for it.
    asked: bool,
    producer_waits: bool,
    consumer_waits: bool,
}

/// What became of a batch.
pub(super) struct Published {
    /// So many items more have room. 0 with items left in the batch: the producer is woken when there is some.
    pub(super) room: usize,
    wake: bool,
}

impl<T> HandOver<T> {
    pub(super) fn new(
        room: usize,
        overflow: BufferOverflow,
        location: &'static Location<'static>,
    ) -> Arc<Self> {
        Arc::new(HandOver {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                ended: None,
                // It is made when the first item is asked for.
                asked: true,
                producer_waits: false,
                consumer_waits: false,
            }),
            room,
            overflow,
            all_taken: AtomicBool::new(true),
            producer: AtomicWaker::new(),
            consumer: AtomicWaker::new(),
            location,
        })
    }

    pub(super) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// For a wait of one of the ends: the note of the probes, if there are any.
    #[inline]
    pub(super) fn note_wait(&self, note: &mut Option<Box<WaitReason>>, what: &'static str) {
        if is_installed() && note.is_none() {
            let mut reason = WaitReason::at(&Reason("flow_on"), self.location).by_coroutines();
            reason.note(|| what.to_owned());
            *note = Some(Box::new(reason));
        }
    }

    /// The next item is to be published at once: the producer may block its thread before it has another one.
    #[inline]
    pub(super) fn wants_one(&self) -> bool {
        self.all_taken.load(Ordering::Relaxed)
    }

    pub(super) fn is_lossless(&self) -> bool {
        self.overflow == BufferOverflow::Suspend
    }

    /// For so many items there is room at least, until more are published.
    pub(super) fn room(&self) -> usize {
        let state = self.state.lock();
        state.limit(self.room).saturating_sub(state.queue.len())
    }

    /// Before a batch is published for which there may be no room.
    pub(super) fn register_producer(&self, waker: &Waker) {
        self.producer.register(waker);
    }

    /// Moves what there is room for out of `batch`, from its front. What the policy drops is in `dropped` then.
    pub(super) fn publish(&self, batch: &mut VecDeque<T>, dropped: &mut VecDeque<T>) -> usize {
        let Published { room, wake } = {
            let mut state = self.state.lock();
            let published = state.add(batch, dropped, self.room, self.overflow);
            state.producer_waits = !batch.is_empty();
            self.all_taken
                .store(state.queue.is_empty(), Ordering::Relaxed);
            published
        };
        if wake {
            self.consumer.wake();
        }
        room
    }

    /// After the last batch. Only the first end counts.
    pub(super) fn end(&self, ended: Result<()>) {
        let (wake, _late) = {
            let mut state = self.state.lock();
            let late = match state.ended {
                None => {
                    state.ended = Some(ended);
                    None
                }
                Some(_) => Some(ended),
            };
            (std::mem::take(&mut state.consumer_waits), late)
        };
        if wake {
            self.consumer.wake();
        }
    }

    /// Moves items into `taken`, which is empty. `Ready` without items: it has ended.
    pub(super) fn poll_take(
        &self,
        cx: &mut Context<'_>,
        taken: &mut VecDeque<T>,
    ) -> Poll<Result<()>> {
        self.consumer.register(cx.waker());
        let (waits, wake) = {
            let mut state = self.state.lock();
            let waits = state.queue.is_empty();
            if waits {
                if let Some(ended) = &state.ended {
                    return Poll::Ready(ended.clone());
                }
                // Room for one more.
                state.asked = true;
            } else {
                state.asked = false;
                if self.room < TAKEN_WHOLE {
                    taken.extend(state.queue.pop_front());
                } else {
                    std::mem::swap(&mut state.queue, taken);
                }
            }
            state.consumer_waits = waits;
            self.all_taken
                .store(state.queue.is_empty(), Ordering::Relaxed);
            (waits, std::mem::take(&mut state.producer_waits))
        };
        if wake {
            self.producer.wake();
        }
        if waits {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T> State<T> {
    fn limit(&self, room: usize) -> usize {
        room.saturating_add(usize::from(self.asked))
    }

    fn add(
        &mut self,
        batch: &mut VecDeque<T>,
        dropped: &mut VecDeque<T>,
        room: usize,
        overflow: BufferOverflow,
    ) -> Published {
        let asked = usize::from(self.asked);
        let limit = self.limit(room);
        let queue = &mut self.queue;
        let free = limit.saturating_sub(queue.len());
        if queue.is_empty() && overflow == BufferOverflow::Suspend {
            std::mem::swap(queue, batch);
            // The one that waits, at most.
            while queue.len() > free {
                if let Some(item) = queue.pop_back() {
                    batch.push_front(item);
                }
            }
        } else {
            queue.extend(batch.drain(..free.min(batch.len())));
            match overflow {
                BufferOverflow::Suspend => {}
                BufferOverflow::DropLatest => std::mem::swap(batch, dropped),
                BufferOverflow::DropOldest => {
                    for item in batch.drain(..) {
                        // The first one is whoever's has asked.
                        dropped.extend(queue.remove(asked));
                        queue.push_back(item);
                    }
                }
            }
        }
        let wake = self.consumer_waits && !queue.is_empty();
        if wake {
            self.consumer_waits = false;
        }
        Published {
            room: limit.saturating_sub(queue.len()),
            wake,
        }
    }
}

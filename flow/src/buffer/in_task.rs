//! A buffer in the task of whoever collects.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use corox_channels::BufferOverflow;
use corox_core::{Error, Result};
use pin_project_lite::pin_project;

use crate::Flow;
use crate::fusion::{Producer, Settings, Stage};

/// So many items without a wait, and whoever collects has its turn.
const ITEMS_A_TURN: usize = 128;

pin_project! {
    /// The flow of `buffer` and `conflate`, and of the operators that buffer by themselves.
    ///
    /// It behaves as a channel would whose two ends share one thread (F-19): when an item is asked for and there is none, the source runs
    /// until it waits, or until one item is handed over, the buffer is full and one item more waits to get in. While
    /// whoever collects is busy, [`poll_progress`](Flow::poll_progress) does the same.
    pub(crate) struct Buffer<S: Flow> {
        // `None`: another stage has them, and this one hands on.
        settings: Option<Settings>,
        room: usize,
        overflow: BufferOverflow,
        // `None` when it has ended.
        #[pin]
        upstream: Option<S>,
        queue: VecDeque<S::Item>,
        failed: Option<Error>,
    }
}

impl<S: Flow> Buffer<S> {
    pub(crate) fn new(mut upstream: S, settings: Settings) -> Self {
        let stage = Stage::Buffer(settings);
        if upstream.fuse(&stage) {
            return Buffer::of(upstream, None);
        }
        let Stage::Buffer(settings) = stage else {
            unreachable!("it was made above")
        };
        Buffer::of(upstream, Some(settings))
    }

    /// Without asking the upstream, which is part of the same operator; it hands on if there are no settings.
    pub(crate) fn of(upstream: S, settings: Option<Settings>) -> Self {
        let (room, overflow) = settings
            .as_ref()
            .map_or_else(Default::default, Settings::settle);
        Buffer {
            settings,
            room,
            overflow,
            upstream: Some(upstream),
            queue: VecDeque::new(),
            failed: None,
        }
    }
}

impl<S: Flow> Clone for Buffer<S> {
    fn clone(&self) -> Self {
        Buffer {
            settings: self.settings.clone(),
            room: self.room,
            overflow: self.overflow,
            upstream: self.upstream.clone(),
            queue: VecDeque::new(),
            failed: None,
        }
    }
}

/// Why the source does not run any more.
#[derive(PartialEq, Eq)]
enum Stopped {
    /// It waits, or it has ended.
    Itself,
    Full,
    /// Nothing but its turn is over.
    Turn,
}

impl<S: Flow> Buffer<S> {
    /// Has the source run. `asked` is 1 if somebody waits for an item, and so the queue is empty, else 0.
    #[inline]
    fn pump(self: Pin<&mut Self>, cx: &mut Context<'_>, asked: usize) -> Stopped {
        let mut this = self.project();
        let Some(upstream) = this.upstream.as_mut().as_pin_mut() else {
            return Stopped::Itself;
        };
        let (queue, limit) = (this.queue, this.room.saturating_add(asked));
        // One closure a policy, and one counter: this is what an item costs.
        let mut left = ITEMS_A_TURN;
        let is_one = *this.room == 1;
        let polled = match this.overflow {
            BufferOverflow::Suspend => {
                if queue.len() > limit {
                    return Stopped::Full;
                }
                left = left.min((limit - queue.len()).saturating_add(1));
                upstream.poll_each(cx, &mut |item| {
                    queue.push_back(item);
                    more(&mut left)
                })
            }
            BufferOverflow::DropOldest => upstream.poll_each(cx, &mut |item| {
                if queue.len() < limit {
                    queue.push_back(item);
                } else if let (true, Some(only)) = (is_one, queue.back_mut()) {
                    *only = item;
                } else {
                    // The first one is whoever's has asked.
                    drop(queue.remove(asked));
                    queue.push_back(item);
                }
                more(&mut left)
            }),
            BufferOverflow::DropLatest => upstream.poll_each(cx, &mut |item| {
                if queue.len() < limit {
                    queue.push_back(item);
                }
                more(&mut left)
            }),
        };
        match polled {
            Poll::Pending => Stopped::Itself,
            Poll::Ready(Ok(ControlFlow::Break(()))) => {
                if *this.overflow == BufferOverflow::Suspend && queue.len() > limit {
                    Stopped::Full
                } else {
                    Stopped::Turn
                }
            }
            Poll::Ready(ended) => {
                *this.failed = ended.err();
                this.upstream.set(None);
                Stopped::Itself
            }
        }
    }
}

/// Counts an item.
#[inline]
fn more(left: &mut usize) -> ControlFlow<()> {
    *left -= 1;
    if *left == 0 {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

impl<S: Flow> Flow for Buffer<S> {
    type Item = S::Item;

    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Option<S::Item>>> {
        if self.settings.is_none() {
            return match self.project().upstream.as_pin_mut() {
                Some(upstream) => upstream.poll_next(cx),
                None => Poll::Ready(Ok(None)),
            };
        }
        if self.queue.is_empty() {
            self.as_mut().pump(cx, 1);
        }
        let this = self.project();
        match this.queue.pop_front() {
            Some(item) => Poll::Ready(Ok(Some(item))),
            None if this.upstream.is_some() => Poll::Pending,
            None => Poll::Ready(this.failed.take().map_or(Ok(None), Err)),
        }
    }

    #[inline]
    fn poll_each<K>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut K,
    ) -> Poll<Result<ControlFlow<()>>>
    where
        K: FnMut(S::Item) -> ControlFlow<()>,
    {
        if self.settings.is_none() {
            return match self.project().upstream.as_pin_mut() {
                Some(upstream) => upstream.poll_each(cx, sink),
                None => Poll::Ready(Ok(ControlFlow::Continue(()))),
            };
        }
        let mut waits = false;
        loop {
            let this = self.as_mut().project();
            while let Some(item) = this.queue.pop_front() {
                if sink(item).is_break() {
                    return Poll::Ready(Ok(ControlFlow::Break(())));
                }
            }
            if this.upstream.is_none() {
                let failed = this.failed.take();
                return Poll::Ready(failed.map_or(Ok(ControlFlow::Continue(())), Err));
            }
            if waits {
                return Poll::Pending;
            }
            waits = self.as_mut().pump(cx, 1) == Stopped::Itself;
        }
    }

    #[inline]
    fn poll_progress(mut self: Pin<&mut Self>, cx: &mut Context<'_>) {
        if self.settings.is_none() {
            if let Some(upstream) = self.project().upstream.as_pin_mut() {
                upstream.poll_progress(cx);
            }
            return;
        }
        for _ in 0..ITEMS_A_TURN {
            match self.as_mut().pump(cx, 0) {
                Stopped::Itself => return,
                Stopped::Turn => break,
                Stopped::Full => {}
            }
            let mut this = self.as_mut().project();
            let Some(mut upstream) = this.upstream.as_mut().as_pin_mut() else {
                return;
            };
            upstream.as_mut().poll_progress(cx);
            // The last one waits to get in, and there is room for another one if it does not any more.
            if !upstream.takes_back() {
                return;
            }
            drop(this.queue.pop_back());
        }
        cx.waker().wake_by_ref();
    }

    fn fuse(&mut self, stage: &Stage) -> bool {
        match (&mut self.settings, stage) {
            (None, stage) => self.upstream.as_mut().is_some_and(|it| it.fuse(stage)),
            // The task of a `flow_on` is that one's.
            (Some(settings), Stage::Buffer(later)) if later.context.is_empty() => {
                *settings = settings.clone().then(later.clone());
                (self.room, self.overflow) = settings.settle();
                true
            }
            _ => false,
        }
    }

    fn dissolve(&mut self) -> Option<Settings> {
        let own = self.settings.take();
        own.or_else(|| self.upstream.as_mut()?.dissolve())
    }

    fn producer(&mut self) -> Option<Producer<S::Item>> {
        if self.settings.is_some() {
            return None;
        }
        self.upstream.as_mut()?.producer()
    }
}

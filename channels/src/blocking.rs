//! Sends and receives that block their thread, on the same queues as those that suspend.

use std::cell::RefCell;
use std::future::Future;
use std::hint::spin_loop;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use corox_core::waiters_protocol::may_block;

use crate::channel::Channel;
use crate::error::{ReceiveError, SendError};
use crate::split::{Receiver, Sender};

/// Wakes a thread.
struct Parker {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Only one who parks or is about to needs more than the flag.
        if !self.woken.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }
}

thread_local! {
    /// Taken out while it is used, so that a call inside a waker or hook has another one.
    static PARKER: RefCell<Option<(Arc<Parker>, Waker)>> = const { RefCell::new(None) };
}

/// How often a thread looks whether it was woken before it parks.
const SPINS: u32 = 64;

fn park_until_ready<F: Future + Unpin>(mut future: F) -> F::Output {
    let kept = PARKER.try_with(RefCell::take).ok().flatten();
    let (parker, waker) = kept.unwrap_or_else(|| {
        let parker = Arc::new(Parker {
            thread: thread::current(),
            woken: AtomicBool::new(false),
        });
        (parker.clone(), Waker::from(parker))
    });
    parker.woken.store(false, Ordering::Relaxed);
    let output = loop {
        if let Poll::Ready(output) = Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            break output;
        }
        let woken = || parker.woken.swap(false, Ordering::Acquire);
        let mut spins = 0;
        while !woken() {
            spins += 1;
            match spins {
                ..SPINS => spin_loop(),
                SPINS => thread::yield_now(),
                _ => thread::park(),
            }
        }
    };
    drop(future);
    let _ = PARKER.try_with(|kept| kept.replace(Some((parker, waker))));
    output
}

#[track_caller]
fn check(what: &str) {
    assert!(
        may_block(),
        "`{what}_blocking` would stop everything else on this thread, which runs coroutines or tasks of tokio: \
         `.{what}(..).await` there, or call it inside `blocking(..)`, `with_context(IO, ..)` or `spawn_blocking`"
    );
}

impl<T> Channel<T> {
    /// As [`send`](Channel::send), for threads without coroutines: blocks the thread while there is no room.
    ///
    /// It waits in the same queue as coroutines do.
    ///
    /// Kotlin: `trySendBlocking`.
    ///
    /// # Errors
    ///
    /// If the channel is closed.
    ///
    /// # Panics
    ///
    /// On a thread that runs coroutines or tasks of tokio, whether it would have to wait or not. Those of
    /// [`IO`](corox_core::Dispatcher::IO), of [`blocking`](corox_core::blocking) and of `tokio::task::spawn_blocking` may block.
    ///
    /// ```
    /// use corox_channels::Channel;
    /// use corox_core::run_blocking;
    ///
    /// let channel = Channel::new(1);
    /// let tx = channel.clone();
    /// let thread = std::thread::spawn(move || {
    ///     for n in 1..=3 {
    ///         tx.send_blocking(n).unwrap();
    ///     }
    ///     tx.close();
    /// });
    /// let sum = run_blocking(async |_| {
    ///     let mut sum = 0;
    ///     while let Some(n) = channel.next().await? {
    ///         sum += n;
    ///     }
    ///     Ok(sum)
    /// });
    /// assert_eq!(sum.unwrap(), 6);
    /// thread.join().unwrap();
    /// ```
    #[doc(alias = "trySendBlocking")]
    #[track_caller]
    pub fn send_blocking(&self, element: T) -> Result<(), SendError<T>> {
        check("send");
        park_until_ready(self.send(element))
    }

    /// As [`receive`](Channel::receive), for threads without coroutines: blocks the thread while there is nothing.
    ///
    /// # Errors
    ///
    /// If the channel is closed and everything in it has been received.
    ///
    /// # Panics
    ///
    /// As [`send_blocking`](Channel::send_blocking).
    ///
    /// ```
    /// use corox_channels::Channel;
    ///
    /// let channel = Channel::new(1);
    /// channel.send_blocking(7).unwrap();
    /// assert_eq!(channel.receive_blocking().unwrap(), 7);
    /// ```
    #[track_caller]
    pub fn receive_blocking(&self) -> Result<T, ReceiveError> {
        check("receive");
        park_until_ready(self.receive())
    }
}

impl<T> Sender<T> {
    /// As [`Channel::send_blocking`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Panics
    ///
    /// As there; see the example of [`Channel::send_blocking`].
    #[doc(alias = "trySendBlocking")]
    #[track_caller]
    pub fn send_blocking(&self, element: T) -> Result<(), SendError<T>> {
        check("send");
        park_until_ready(self.send(element))
    }
}

impl<T> Receiver<T> {
    /// As [`Channel::receive_blocking`].
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Panics
    ///
    /// As there; see the example of [`Channel::receive_blocking`].
    #[track_caller]
    pub fn receive_blocking(&self) -> Result<T, ReceiveError> {
        check("receive");
        park_until_ready(self.receive())
    }
}

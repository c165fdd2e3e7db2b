//! Dice, and futures that are given up. Other crates of the project take this module in by its path.
#![allow(dead_code, unreachable_pub)]

use std::future::{Future, poll_fn};
use std::task::Poll;

/// Small and repeatable.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Runs `f` and gives up after some polls, as a `tokio::select!` that another branch wins.
pub async fn given_up<F: Future>(f: F, mut polls: u64) -> Option<F::Output> {
    let mut f = Box::pin(f);
    poll_fn(move |cx| match f.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if polls == 0 => Poll::Ready(None),
        Poll::Pending => {
            polls -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

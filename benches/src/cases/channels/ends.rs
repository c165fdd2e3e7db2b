//! The two ends of a channel, of corox and of its peers.

use std::future::Future;

/// An end that sends. The channel is closed when the last one is dropped.
pub(crate) trait Tx: Send + 'static {
    fn put(&mut self, number: u64) -> impl Future<Output = ()> + Send;
}

/// An end that receives; `None` after the end.
pub(crate) trait Rx: Send + 'static {
    fn get(&mut self) -> impl Future<Output = Option<u64>> + Send;
}

macro_rules! ends {
    ($($tx:ty, |$t:ident, $number:ident| $send:expr; $rx:ty, |$r:ident| $receive:expr;)+) => {$(
        impl Tx for $tx {
            #[inline]
            async fn put(&mut self, $number: u64) {
                let $t = self;
                $send;
            }
        }

        impl Rx for $rx {
            #[inline]
            async fn get(&mut self) -> Option<u64> {
                let $r = self;
                $receive
            }
        }
    )+};
}

use crossfire::{AsyncRx, AsyncTx, MAsyncRx, MAsyncTx, mpmc, mpsc, spsc};
use tokio::sync::{mpsc as tokio_mpsc, watch};

ends! {
    corox::Sender<u64>, |t, n| t.send(n).await.expect("it is open");
    corox::Receiver<u64>, |r| r.next().await.expect("it was closed without a cause");

    tokio_mpsc::Sender<u64>, |t, n| t.send(n).await.expect("it is open");
    tokio_mpsc::Receiver<u64>, |r| r.recv().await;

    tokio_mpsc::UnboundedSender<u64>, |t, n| t.send(n).expect("it is open");
    tokio_mpsc::UnboundedReceiver<u64>, |r| r.recv().await;

    watch::Sender<u64>, |t, n| t.send_replace(n);
    watch::Receiver<u64>, |r| match r.changed().await {
        Ok(()) => Some(*r.borrow_and_update()),
        Err(_) => None,
    };

    async_channel::Sender<u64>, |t, n| t.send(n).await.expect("it is open");
    async_channel::Receiver<u64>, |r| r.recv().await.ok();

    flume::Sender<u64>, |t, n| t.send_async(n).await.expect("it is open");
    flume::Receiver<u64>, |r| r.recv_async().await.ok();

    kanal::AsyncSender<u64>, |t, n| t.send(n).await.expect("it is open");
    kanal::AsyncReceiver<u64>, |r| r.recv().await.ok();

    AsyncTx<spsc::Array<u64>>, |t, n| t.send(n).await.expect("it is open");
    AsyncRx<spsc::Array<u64>>, |r| r.recv().await.ok();

    MAsyncTx<mpsc::Array<u64>>, |t, n| t.send(n).await.expect("it is open");
    AsyncRx<mpsc::Array<u64>>, |r| r.recv().await.ok();

    MAsyncTx<mpmc::Array<u64>>, |t, n| t.send(n).await.expect("it is open");
    MAsyncRx<mpmc::Array<u64>>, |r| r.recv().await.ok();

    crossfire::MTx<mpsc::List<u64>>, |t, n| t.send(n).expect("it is open");
    AsyncRx<mpsc::List<u64>>, |r| r.recv().await.ok();

    crossfire::MTx<mpmc::List<u64>>, |t, n| t.send(n).expect("it is open");
    MAsyncRx<mpmc::List<u64>>, |r| r.recv().await.ok();
}

/// A channel that nobody closes.
impl Tx for corox::Channel<u64> {
    #[inline]
    async fn put(&mut self, number: u64) {
        self.send(number).await.expect("it is open");
    }
}

/// It has the receiver of the one for several senders.
impl Tx for crossfire::Tx<spsc::List<u64>> {
    async fn put(&mut self, number: u64) {
        self.send(number).expect("it is open");
    }
}

/// The sender of a channel of async-channel, whose receiver gets the newest.
#[derive(Clone)]
pub(crate) struct Forced(pub(crate) async_channel::Sender<u64>);

impl Tx for Forced {
    async fn put(&mut self, number: u64) {
        self.0.force_send(number).expect("it is open");
    }
}

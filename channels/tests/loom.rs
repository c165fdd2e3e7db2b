//! Models of what may happen at the same moment: `RUSTFLAGS="--cfg corox_loom" cargo test -p corox-channels --release --test loom`.
//!
//! The real channels and selects run here, on loom's locks.
#![cfg(corox_loom)]

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use corox_channels::{Channel, Receive, Sending};
use corox_core::{Clause, Error, on, select};
use loom::sync::Notify;
use loom::thread;

/// Explores `f` with at most `preemptions` preemptions.
fn model(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(f);
}

struct Parker(Notify);

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Polls `future` on this thread, which sleeps in between: a lost wake is a deadlock, which loom reports.
fn block_on<F: Future>(future: F) -> F::Output {
    let parker = Arc::new(Parker(Notify::new()));
    let waker = Waker::from(parker.clone());
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        parker.0.wait();
    }
}

/// Polls it once, with a waker that does nothing.
fn begin<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn waiting_receive(channel: &Channel<u32>) -> Receive<'_, u32> {
    let mut receive = channel.receive();
    assert!(begin(&mut receive).is_pending());
    receive
}

fn waiting_send(channel: &Channel<u32>, n: u32) -> Sending<'_, u32> {
    let mut send = channel.send(n);
    assert!(begin(&mut send).is_pending());
    send
}

fn run<R: Send + 'static>(
    channel: &Channel<u32>,
    f: impl FnOnce(Channel<u32>) -> R + Send + 'static,
) -> thread::JoinHandle<R> {
    let channel = channel.clone();
    thread::spawn(move || f(channel))
}

/// Two elements through a rendezvous and through a buffer of one, in order. Preemptions: 4.
#[test]
fn a_sender_and_a_receiver_meet() {
    for capacity in [0, 1] {
        model(4, move || {
            let channel = Channel::new(capacity);
            let sender = run(&channel, |tx| {
                block_on(tx.send(1)).unwrap();
                block_on(tx.send(2)).unwrap();
            });
            assert_eq!(block_on(channel.receive()).unwrap(), 1);
            assert_eq!(block_on(channel.receive()).unwrap(), 2);
            sender.join().unwrap();
            assert!(channel.is_empty());
        });
    }
}

/// Two senders and two receivers, each of which goes on. Preemptions: 2.
#[test]
fn two_senders_and_two_receivers_meet() {
    model(2, || {
        let channel = Channel::new(0);
        let senders = [1, 2].map(|n| run(&channel, move |tx| block_on(tx.send(n)).unwrap()));
        let receiver = run(&channel, |rx| block_on(rx.receive()).unwrap());
        let here = block_on(channel.receive()).unwrap();
        assert_eq!(here + receiver.join().unwrap(), 3);
        for sender in senders {
            sender.join().unwrap();
        }
    });
}

/// A receive that is dropped while an element comes: another receiver has it, or it stays. Preemptions: 4.
#[test]
fn an_element_for_a_receive_that_is_dropped_is_not_lost() {
    model(4, || {
        let channel = Channel::new(1);
        let receive = waiting_receive(&channel);
        let sender = run(&channel, |tx| block_on(tx.send(7)).unwrap());
        drop(receive);
        assert_eq!(block_on(channel.receive()).unwrap(), 7);
        sender.join().unwrap();
    });
}

/// The same with the next receiver on another thread, which waits at the time or comes later. Preemptions: 3.
#[test]
fn what_is_put_back_meets_the_receiver_that_comes() {
    model(3, || {
        let channel = Channel::new(1);
        let receive = waiting_receive(&channel);
        channel.try_send(1).unwrap();
        channel.try_send(2).unwrap();
        let other = run(&channel, |rx| {
            let first = block_on(rx.receive()).unwrap();
            (first, block_on(rx.receive()).unwrap())
        });
        drop(receive);
        // 2 may be received before 1 comes back; never is one of them lost.
        let (first, second) = other.join().unwrap();
        assert_eq!(first + second, 3);
    });
}

/// A send that is dropped while it is received: it was received, or it was not. Preemptions: 4.
#[test]
fn a_send_that_is_dropped_was_received_or_not() {
    model(4, || {
        let channel = Channel::new(0);
        let send = waiting_send(&channel, 7);
        let receiver = run(&channel, |rx| rx.try_receive().ok());
        drop(send);
        assert!(matches!(receiver.join().unwrap(), None | Some(7)));
        assert!(channel.is_empty());
    });
}

/// A waker that is renewed while the wait ends: the new one is woken, or the end is seen. Preemptions: 4.
#[test]
fn the_wake_of_a_wait_that_changes_its_task_is_not_lost() {
    model(4, || {
        let channel = Channel::new(0);
        let receive = waiting_receive(&channel);
        let sender = run(&channel, |tx| tx.try_send(7).unwrap());
        assert_eq!(block_on(receive).unwrap(), 7);
        sender.join().unwrap();
        let send = waiting_send(&channel, 8);
        let receiver = run(&channel, |rx| rx.try_receive().unwrap());
        block_on(send).unwrap();
        assert_eq!(receiver.join().unwrap(), 8);
    });
}

/// A close against a send and a receive: what was sent is received, and everyone is told. Preemptions: 3.
#[test]
fn a_close_amid_a_send_and_a_receive() {
    model(3, || {
        let channel = Channel::new(0);
        let sender = run(&channel, |tx| block_on(tx.send(7)).is_ok());
        let closer = run(&channel, |tx| tx.close());
        let received = block_on(channel.receive()).ok();
        // A send that waits outlives the close: nobody else takes it.
        let received = received.or_else(|| channel.try_receive().ok());
        assert!(closer.join().unwrap());
        let sent = sender.join();
        assert_eq!(sent.unwrap(), received.is_some());
    });
}

/// A cancellation against a send and a receive. Preemptions: 3.
#[test]
fn a_cancellation_amid_a_send_and_a_receive() {
    model(3, || {
        let channel = Channel::new(0);
        let sender = run(&channel, |tx| {
            block_on(tx.send(7)).map_err(|error| error.into_inner())
        });
        let canceller = run(&channel, |rx| rx.cancel());
        let received = block_on(channel.receive()).ok();
        assert!(canceller.join().unwrap());
        match sender.join().unwrap() {
            Ok(()) => assert_eq!(received, Some(7)),
            Err(element) => assert_eq!((element, received), (Some(7), None)),
        }
    });
}

/// A cancellation against a receive that is dropped after the hand-over: the element is disposed of once. Preemptions: 4.
#[test]
fn what_is_put_back_meets_a_cancellation() {
    model(4, || {
        let element = Arc::new(());
        let channel = Channel::new(1);
        let mut receive = channel.receive();
        assert!(begin(&mut receive).is_pending());
        channel.try_send(element.clone()).unwrap();
        let canceller = thread::spawn({
            let channel = channel.clone();
            move || channel.cancel()
        });
        drop(receive);
        canceller.join().unwrap();
        assert_eq!(Arc::strong_count(&element), 1);
        assert!(channel.is_closed_for_receive());
    });
}

/// The last sender and the last receiver of a split channel go at once. Preemptions: 4.
#[test]
fn the_ends_of_a_channel_go_at_once() {
    model(4, || {
        let (tx, rx) = Channel::new(1).split();
        let element = Arc::new(());
        tx.try_send(element.clone()).unwrap();
        let other = thread::spawn(move || drop(tx));
        drop(rx);
        other.join().unwrap();
        assert_eq!(Arc::strong_count(&element), 1);
    });
}

fn sent<T>(result: Result<(), corox_channels::SendError<T>>) -> Result<Option<u32>, ()> {
    result.map(|()| None).map_err(|_| ())
}

fn received(result: Result<u32, corox_channels::ReceiveError>) -> Result<Option<u32>, ()> {
    result.map(Some).map_err(|_| ())
}

/// Two selects that cross: one sends on the one channel or receives on the other, and the other one the same the other way round.
/// Preemptions: 3.
#[test]
fn two_selects_that_cross_agree() {
    model(3, || {
        let (a, b) = (Channel::new(0), Channel::new(0));
        let other = thread::spawn({
            let (a, b) = (a.clone(), b.clone());
            move || {
                let (tx, rx) = (b.on_send(2).then(sent), a.on_receive().then(received));
                block_on(select((tx, rx))).unwrap()
            }
        });
        let (tx, rx) = (a.on_send(1).then(sent), b.on_receive().then(received));
        let here = block_on(select((tx, rx))).unwrap();
        match (here, other.join().unwrap()) {
            (None, Some(1)) | (Some(2), None) => {}
            other => panic!("they did not agree: {other:?}"),
        }
        assert!(a.is_empty() && b.is_empty());
    });
}

/// Three selects in a ring, of which two meet and the third is told by the end of the channels. Preemptions: 2.
#[test]
fn of_three_selects_in_a_ring_two_meet() {
    model(2, || {
        let ring = [(); 3].map(|()| Channel::new(0));
        let part = |at: usize| {
            let (tx, rx) = (ring[at].clone(), ring[(at + 1) % 3].clone());
            move || {
                let send = tx.on_send(at as u32).then(sent);
                let ended = block_on(select((send, rx.on_receive().then(received))));
                // Whoever has met somebody ends it for the third.
                tx.cancel();
                rx.cancel();
                ended
            }
        };
        let others = [thread::spawn(part(1)), thread::spawn(part(2))];
        let mut ends = vec![part(0)()];
        ends.extend(others.into_iter().map(|it| it.join().unwrap()));
        let pairs: Vec<_> = (0..3)
            .filter(|at| ends[*at] == Ok(None) && ends[(*at + 2) % 3] == Ok(Some(*at as u32)))
            .collect();
        assert_eq!(pairs.len(), 1, "{ends:?}");
        assert_eq!(
            ends.iter().filter(|end| end.is_err()).count(),
            1,
            "{ends:?}"
        );
    });
}

/// One select that receives from two plain senders: one is taken, the other one stays. Preemptions: 3.
#[test]
fn a_select_takes_from_one_of_two_senders() {
    model(3, || {
        let (a, b) = (Channel::new(1), Channel::new(1));
        let senders = [
            run(&a, |tx| block_on(tx.send(1)).unwrap()),
            run(&b, |tx| block_on(tx.send(2)).unwrap()),
        ];
        let first = block_on(select((a.on_receive(), b.on_receive()))).unwrap();
        let other = if first == 1 { &b } else { &a };
        assert_eq!(block_on(other.receive()).unwrap(), 3 - first);
        for sender in senders {
            sender.join().unwrap();
        }
        assert!(a.is_empty() && b.is_empty());
    });
}

/// A select that has found nothing, which the channel remembers.
fn find_nothing(channel: &Channel<u32>) {
    let mut selecting = select((channel.on_receive(),));
    assert!(begin(&mut selecting).is_pending());
}

/// A select that looks where one has found nothing, while a sender comes: it finds the element, or is handed it. Preemptions: 4.
#[test]
fn a_select_that_looks_again_does_not_miss_a_sender() {
    for capacity in [0, 1] {
        model(4, move || {
            let channel = Channel::new(capacity);
            find_nothing(&channel);
            let sender = run(&channel, |tx| block_on(tx.send(7)).unwrap());
            assert_eq!(block_on(select((channel.on_receive(),))).unwrap(), 7);
            sender.join().unwrap();
        });
    }
}

/// What was sent before that which the select's own task has received since is found, though nothing is locked to see that there is
/// something. Preemptions: 3.
#[test]
fn a_select_finds_what_was_sent_before_what_its_task_has_received() {
    model(3, || {
        let (a, b, later) = (Channel::new(1), Channel::new(1), Channel::new(1));
        find_nothing(&a);
        later.try_send(3).unwrap();
        let sender = run(&a, {
            let b = b.clone();
            move |a| {
                block_on(a.send(1)).unwrap();
                block_on(b.send(2)).unwrap();
            }
        });
        assert_eq!(block_on(b.receive()).unwrap(), 2);
        let first = block_on(select((a.on_receive(), later.on_receive())));
        assert_eq!(first.unwrap(), 1);
        sender.join().unwrap();
    });
}

/// A select that is dropped while it is claimed: what it was handed stays in the channel. Preemptions: 4.
#[test]
fn what_a_dropped_select_was_handed_is_not_lost() {
    model(4, || {
        let (a, b) = (Channel::new(1), Channel::<u32>::new(0));
        let mut selecting = select((a.on_receive(), b.on_receive()));
        assert!(begin(&mut selecting).is_pending());
        let sender = run(&a, |tx| block_on(tx.send(7)).unwrap());
        drop(selecting);
        assert_eq!(block_on(a.receive()).unwrap(), 7);
        sender.join().unwrap();
    });
}

/// A close and a cancellation against a select that waits. Preemptions: 3.
#[test]
fn a_select_is_told_of_a_close_and_of_a_cancellation() {
    for cancel in [false, true] {
        model(3, move || {
            let (a, b) = (Channel::<u32>::new(0), Channel::<u32>::new(0));
            let closer = run(&a, move |a| if cancel { a.cancel() } else { a.close() });
            let mut element = Some(1);
            let clauses = (
                b.on_send_from(&mut element).then(sent),
                a.on_receive().then(received),
            );
            assert_eq!(block_on(select(clauses)), Err(()));
            assert_eq!(element, Some(1));
            assert!(closer.join().unwrap());
        });
    }
}

/// A select that polls foreign code against a plain partner and against the end of the channel. Preemptions: 3.
#[test]
fn a_busy_select_misses_neither_a_partner_nor_a_close() {
    model(3, || {
        let channel = Channel::new(0);
        let sender = run(&channel, |tx| block_on(tx.send(7)).unwrap());
        let nothing = on(poll_fn(|_| Poll::<Result<u32, Error>>::Pending));
        let rx = channel.on_receive().then(|n| n.map_err(Error::from));
        assert_eq!(block_on(select((rx, nothing))).unwrap(), 7);
        sender.join().unwrap();
        let closer = run(&channel, |tx| tx.close());
        let nothing = on(poll_fn(|_| Poll::<Result<u32, Error>>::Pending));
        let rx = channel.on_receive().then(|n| n.map_err(Error::from));
        assert!(block_on(select((rx, nothing))).is_err());
        closer.join().unwrap();
    });
}

/// Two busy selects, one on each side. Preemptions: 3.
#[test]
fn two_busy_selects_meet() {
    model(3, || {
        let channel = Channel::new(0);
        let nothing = || on(poll_fn(|_| Poll::<Result<Option<u32>, ()>>::Pending));
        let other = run(&channel, move |tx| {
            block_on(select((tx.on_send(7).then(sent), nothing())))
        });
        let here = block_on(select((channel.on_receive().then(received), nothing())));
        assert_eq!((here, other.join().unwrap()), (Ok(Some(7)), Ok(None)));
    });
}

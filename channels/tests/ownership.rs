//! Who has an element at which moment: the table of `on_undelivered_element`, row by row, with a hook and without (C-13, C-14).

mod support;

use std::future::Future as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use corox_channels::{BufferOverflow, Capacity, Channel};
use corox_core::{
    Error, ExceptionHandler, GlobalScope, add_uncaught_handler, run_blocking, yield_now,
};
use corox_test::run_test;
use support::{Bin, Hand, KINDS, Tracked, drain};

use BufferOverflow::{DropLatest, DropOldest, Suspend};

const HOOKED: [bool; 2] = [true, false];

/// A channel of elements that tell when they are dropped, and where that and the hook put them.
struct Case {
    channel: Channel<Tracked>,
    hooked: Bin<u32>,
    dropped: Bin<u32>,
}

fn case(hook: bool, capacity: impl Into<Capacity>, overflow: BufferOverflow) -> Case {
    let (hooked, dropped) = (Bin::new(), Bin::new());
    let mut builder = Channel::builder(capacity).overflow(overflow);
    if hook {
        let hooked = hooked.clone();
        builder = builder.on_undelivered_element(move |it: Tracked| hooked.put(number(it)));
    }
    Case {
        channel: builder.build(),
        hooked,
        dropped,
    }
}

impl Case {
    fn element(&self, number: u32) -> Tracked {
        Tracked(number, self.dropped.clone())
    }

    /// The elements that are gone: from the hook if there is one, else from their destructors.
    #[track_caller]
    fn gone(&self, hook: bool, expected: &[u32]) {
        let (hooked, dropped) = (self.hooked.take(), self.dropped.take());
        if hook {
            assert_eq!((&*hooked, &*dropped), (expected, &[][..]));
        } else {
            assert_eq!((&*hooked, &*dropped), (&[][..], expected));
        }
    }

    fn numbers(&self) -> Vec<u32> {
        drain(&self.channel).into_iter().map(number).collect()
    }
}

fn number(element: Tracked) -> u32 {
    element.number() as u32
}

#[test]
fn a_send_that_is_dropped_before_its_element_was_taken() {
    for hook in HOOKED {
        let case = case(hook, 0, Suspend);
        drop(case.channel.send(case.element(1)));
        case.gone(hook, &[1]);
        drop(Hand::waiting(case.channel.send(case.element(2))));
        case.gone(hook, &[2]);
        assert!(case.channel.is_empty());
        // Taken: it is received, though the send is dropped before it goes on.
        let send = Hand::waiting(case.channel.send(case.element(3)));
        let element = case.channel.try_receive().unwrap();
        drop(send);
        assert_eq!(number(element), 3);
        case.gone(hook, &[]);
        // In the buffer: likewise.
        let case = self::case(hook, 1, Suspend);
        case.channel.try_send(case.element(4)).unwrap();
        let send = Hand::waiting(case.channel.send(case.element(5)));
        number(case.channel.try_receive().unwrap());
        drop(send);
        assert_eq!(case.numbers(), [5]);
        case.gone(hook, &[]);
    }
}

#[test]
fn a_send_on_a_closed_channel() {
    for hook in HOOKED {
        for (capacity, overflow) in KINDS {
            let case = case(hook, capacity, overflow);
            case.channel.close();
            let error = Hand::new(case.channel.send(case.element(1)))
                .ready()
                .unwrap_err();
            if hook {
                assert!(error.into_inner().is_none());
                case.gone(hook, &[1]);
            } else {
                assert_eq!(number(error.into_inner().unwrap()), 1);
                case.gone(hook, &[]);
            }
        }
    }
}

#[test]
fn an_attempt_that_fails_gives_the_element_back() {
    for hook in HOOKED {
        let case = case(hook, 0, Suspend);
        let full = case.channel.try_send(case.element(1)).unwrap_err();
        assert!(full.is_full());
        assert_eq!(number(full.into_inner()), 1);
        case.channel.close();
        let closed = case.channel.try_send(case.element(2)).unwrap_err();
        assert_eq!(number(closed.into_inner()), 2);
        case.gone(hook, &[]);
    }
}

#[test]
fn what_a_policy_drops() {
    for hook in HOOKED {
        let oldest = case(hook, 2, DropOldest);
        for n in 1..=3 {
            let send = Hand::new(oldest.channel.send(oldest.element(n)));
            send.ready().unwrap();
        }
        oldest.gone(hook, &[1]);
        oldest.channel.try_send(oldest.element(4)).unwrap();
        oldest.gone(hook, &[2]);
        assert_eq!(oldest.numbers(), [3, 4]);
        let latest = case(hook, 1, DropLatest);
        for n in 1..=2 {
            let send = Hand::new(latest.channel.send(latest.element(n)));
            send.ready().unwrap();
        }
        latest.gone(hook, &[2]);
        // The newcomer of an attempt is not the hook's: it was never in the channel.
        latest.channel.try_send(latest.element(3)).unwrap();
        latest.gone(false, &[3]);
        assert_eq!(latest.numbers(), [1]);
    }
}

#[test]
fn a_receive_that_is_dropped_after_the_hand_over() {
    for hook in HOOKED {
        let case = case(hook, 1, Suspend);
        let receive = Hand::waiting(case.channel.receive());
        for n in 1..=2 {
            case.channel.try_send(case.element(n)).unwrap();
        }
        drop(receive);
        if hook {
            case.gone(hook, &[1]);
            assert_eq!(case.numbers(), [2]);
            continue;
        }
        case.gone(hook, &[]);
        // It does not count against the capacity, and is older than the buffer.
        assert!(
            case.channel
                .try_send(case.element(3))
                .unwrap_err()
                .is_full()
        );
        case.gone(hook, &[3]);
        assert_eq!(case.numbers(), [1, 2]);
        // To the next receiver that waits.
        let (first, second) = (case.channel.receive(), case.channel.receive());
        let (first, second) = (Hand::waiting(first), Hand::waiting(second));
        case.channel.try_send(case.element(4)).unwrap();
        drop(first);
        assert_eq!(number(second.ready().unwrap()), 4);
        case.gone(hook, &[]);
    }
}

/// In whatever order the receivers go, the elements come back in that of their sends.
#[test]
fn what_was_put_back_keeps_its_order() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        let channel = Channel::new(Capacity::Unlimited);
        let mut receives: Vec<_> = (0..3)
            .map(|_| Some(Hand::waiting(channel.receive())))
            .collect();
        for n in 0..5 {
            channel.try_send(n).unwrap();
        }
        for at in order {
            receives[at] = None;
        }
        assert_eq!(drain(&channel), [0, 1, 2, 3, 4]);
    }
}

#[test]
fn what_comes_back_to_a_channel_that_drops_its_oldest() {
    for hook in HOOKED {
        let conflated = case(hook, Capacity::Conflated, Suspend);
        let receive = Hand::waiting(conflated.channel.receive());
        for n in 1..=2 {
            conflated.channel.try_send(conflated.element(n)).unwrap();
        }
        drop(receive);
        // 2 has replaced it.
        conflated.gone(hook, &[1]);
        assert_eq!(conflated.numbers(), [2]);
        if hook {
            continue;
        }
        // Nothing newer: it stays, until something newer comes.
        let receive = Hand::waiting(conflated.channel.receive());
        conflated.channel.try_send(conflated.element(3)).unwrap();
        drop(receive);
        conflated.gone(hook, &[]);
        conflated.channel.try_send(conflated.element(4)).unwrap();
        conflated.gone(hook, &[3]);
        assert_eq!(conflated.numbers(), [4]);
    }
}

#[test]
fn what_comes_back_to_a_closed_and_to_a_cancelled_channel() {
    for hook in HOOKED {
        let case = case(hook, 1, Suspend);
        let receive = Hand::waiting(case.channel.receive());
        case.channel.try_send(case.element(1)).unwrap();
        case.channel.close();
        assert!(case.channel.is_closed_for_receive());
        drop(receive);
        if hook {
            case.gone(hook, &[1]);
        } else {
            // "Closed" was true, and there is an element again.
            assert!(!case.channel.is_closed_for_receive());
            assert_eq!(case.numbers(), [1]);
        }
        let case = self::case(hook, 1, Suspend);
        let receive = Hand::waiting(case.channel.receive());
        case.channel.try_send(case.element(2)).unwrap();
        case.channel.cancel();
        drop(receive);
        case.gone(hook, &[2]);
        // What was handed over before the cancellation may be taken, too.
        let case = self::case(hook, 1, Suspend);
        let receive = Hand::waiting(case.channel.receive());
        case.channel.try_send(case.element(3)).unwrap();
        case.channel.cancel();
        assert_eq!(number(receive.ready().unwrap()), 3);
    }
}

#[test]
fn a_cancellation_of_the_channel() {
    for hook in HOOKED {
        let case = case(hook, 2, Suspend);
        let receive = Hand::waiting(case.channel.receive());
        case.channel.try_send(case.element(1)).unwrap();
        for n in 2..=3 {
            case.channel.try_send(case.element(n)).unwrap();
        }
        let sends = [4, 5].map(|n| Hand::waiting(case.channel.send(case.element(n))));
        drop(receive); // 1 is put back, or the hook's
        case.channel.cancel();
        if hook {
            case.gone(hook, &[1, 2, 3, 4, 5]);
        } else {
            case.gone(hook, &[1, 2, 3]);
        }
        for (send, n) in sends.into_iter().zip([4, 5]) {
            assert_eq!(send.wakes.count(), 1);
            let left = send.ready().unwrap_err().into_inner();
            assert_eq!(left.map(number), (!hook).then_some(n));
        }
        case.gone(hook, &[]);
    }
}

#[test]
fn the_last_handle() {
    for hook in HOOKED {
        let case = case(hook, 3, Suspend);
        let other = case.channel.clone();
        for n in 1..=3 {
            other.try_send(case.element(n)).unwrap();
        }
        let Case {
            channel,
            hooked,
            dropped,
        } = case;
        drop(other);
        assert_eq!((hooked.take().len(), dropped.take().len()), (0, 0));
        let second = Hand::new(channel.receive()).ready().unwrap();
        assert_eq!(number(second), 1);
        drop(channel);
        let (hooked, dropped) = (hooked.take(), dropped.take());
        let gone = if hook { hooked } else { dropped };
        assert_eq!(gone, [2, 3]);
    }
}

#[test]
fn a_future_that_was_leaked_after_the_hand_over() {
    for hook in HOOKED {
        let case = case(hook, 0, Suspend);
        let receive = Hand::waiting(case.channel.receive());
        case.channel.try_send(case.element(1)).unwrap();
        std::mem::forget(receive);
        std::mem::forget(Hand::waiting(case.channel.send(case.element(2))));
        let Case {
            channel,
            hooked,
            dropped,
        } = case;
        drop(channel);
        let (mut hooked, mut dropped) = (hooked.take(), dropped.take());
        hooked.sort_unstable();
        dropped.sort_unstable();
        assert_eq!(if hook { hooked } else { dropped }, [1, 2]);
    }
}

#[test]
fn the_ends_of_a_split_channel() {
    for hook in HOOKED {
        let case = case(hook, 2, Suspend);
        let (tx, rx) = case.channel.clone().split();
        let also = (tx.clone(), rx.clone());
        tx.try_send(case.element(1)).unwrap();
        drop((tx, rx));
        assert!(!case.channel.is_closed_for_send());
        drop(also.0);
        assert!(case.channel.is_closed_for_send() && !case.channel.is_closed_for_receive());
        drop(also.1);
        assert!(case.channel.is_closed_for_receive());
        case.gone(hook, &[1]);
        // The other way round: whoever sends is told.
        let case = self::case(hook, 1, Suspend);
        let (tx, rx) = case.channel.clone().split();
        tx.try_send(case.element(1)).unwrap();
        let send = Hand::waiting(tx.send(case.element(2)));
        drop(rx);
        let error = send.ready().unwrap_err();
        assert!(
            error
                .to_string()
                .contains("the last receiver of the channel was dropped")
        );
        drop(error);
        case.gone(hook, &[1, 2]);
    }
}

/// C-13: each element once, whatever mixture of the above.
#[test]
fn every_element_is_accounted_for_once() {
    run_test(async |t| {
        for (capacity, overflow) in KINDS {
            let bin = Bin::new();
            let channel = bin.channel(capacity, overflow);
            let received = Bin::new();
            for part in 0..4 {
                let tx = channel.clone();
                let job = t.launch(async move {
                    for n in 0..25 {
                        if tx.send(part * 25 + n).await.is_err() {
                            return;
                        }
                    }
                });
                let (rx, received) = (channel.clone(), received.clone());
                let other = t.launch(async move {
                    while let Ok(n) = rx.receive().await {
                        received.put(n);
                        if n % 10 == 3 {
                            yield_now().await;
                        }
                    }
                });
                t.run_current().await;
                if part % 2 == 0 {
                    job.cancel();
                } else {
                    other.cancel();
                }
            }
            t.run_current().await;
            channel.cancel();
            t.run_current().await;
            let mut all = bin.take();
            all.extend(received.take());
            all.sort_unstable();
            let mut once = all.clone();
            once.dedup();
            assert_eq!(all, once, "{capacity:?} {overflow:?}");
        }
    });
}

/// C-14
#[test]
fn a_panic_of_the_hook_is_that_of_the_operation_and_stops_nothing() {
    let seen = Bin::new();
    let hook = {
        let seen = seen.clone();
        move |n: u32| {
            seen.put(n);
            panic!("hook {n}");
        }
    };
    let message = |f: &mut dyn FnMut()| {
        let panic = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
        *panic.downcast::<String>().unwrap()
    };
    let reported = Bin::new();
    let _handler = {
        let reported = reported.clone();
        add_uncaught_handler(ExceptionHandler::new(move |_, error: &Error| {
            reported.put(error.to_string());
        }))
    };
    // `cancel`, of a buffer and a sender that waits: all of them, and the first panic.
    let channel = Channel::builder(2)
        .on_undelivered_element(hook.clone())
        .build();
    channel.try_send(1).unwrap();
    channel.try_send(2).unwrap();
    let send = Hand::waiting(channel.send(3));
    let receive_panic = message(&mut || _ = channel.cancel());
    assert_eq!((seen.take(), &*receive_panic), (vec![1, 2, 3], "hook 1"));
    assert!(channel.is_closed_for_receive() && send.ready().is_err());
    // A send on the closed channel, and one that drops.
    let late = message(&mut || _ = Hand::new(channel.send(4)).poll());
    assert_eq!(late, "hook 4");
    let builder = Channel::builder(1).on_undelivered_element(hook.clone());
    let latest = builder.overflow(DropLatest).build();
    latest.try_send(5).unwrap();
    let dropping = message(&mut || _ = Hand::new(latest.send(6)).poll());
    assert_eq!((&*dropping, drain(&latest)), ("hook 6", vec![5]));
    // A destructor: reported, in the name of the coroutine whose it is.
    run_blocking(async |_| {
        let builder = Channel::builder(0).on_undelivered_element(hook.clone());
        let meeting = builder.build();
        let tx = meeting.clone();
        let job = GlobalScope.launch(async move { Ok(tx.send(7).await?) });
        while meeting.is_empty() {
            yield_now().await;
        }
        job.cancel_and_join().await;
        assert_eq!(reported.take(), ["panicked: hook 7"]);
        Ok(())
    })
    .unwrap();
    assert_eq!(seen.take(), [4, 6, 7]);
}

/// While a panic unwinds, the hook that panics, too, does not end the process.
#[test]
fn a_panic_of_the_hook_during_an_unwinding_is_reported() {
    let channel = Channel::builder(1)
        .on_undelivered_element(|_: u32| panic!("a second panic"))
        .build();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let _send = channel.send(1);
        let _receiver = channel.clone().split().1;
        panic!("the first panic");
    }));
    assert_eq!(
        *panic.unwrap_err().downcast::<&str>().unwrap(),
        "the first panic"
    );
}

/// An element, hook, waker or handler that calls back into the channel: none of them runs under its lock.
mod reentrant {
    use super::*;
    use std::sync::Weak;
    use std::task::{Context, Wake, Waker};

    /// Uses the channel in every way that does not wait.
    fn use_it(channel: &Channel<Nested>) {
        let _ = channel.try_send(Nested(None));
        let _ = channel.try_receive();
        let _ = (channel.is_empty(), channel.is_closed_for_receive());
        drop(Hand::new(channel.receive()));
    }

    /// An element whose destructor uses the channel that it is in.
    struct Nested(Option<Channel<Nested>>);

    impl Drop for Nested {
        fn drop(&mut self) {
            if let Some(channel) = self.0.take() {
                use_it(&channel);
            }
        }
    }

    #[test]
    fn the_destructor_of_an_element() {
        for (capacity, overflow) in KINDS {
            let channel = Channel::builder(capacity).overflow(overflow).build();
            let element = || Nested(Some(channel.clone()));
            for _ in 0..5 {
                drop(Hand::new(channel.send(element())).poll());
                let _ = channel.try_send(element());
            }
            let mut sends: Vec<_> = (0..3).map(|_| Hand::new(channel.send(element()))).collect();
            for send in &mut sends {
                let _ = send.poll();
            }
            channel.cancel();
            drop(sends);
            let _ = channel.try_send(element());
        }
    }

    #[test]
    fn the_hook() {
        let this: Arc<Mutex<Option<Channel<Nested>>>> = Arc::default();
        let calls = Arc::new(AtomicBool::new(false));
        let (inner, called) = (this.clone(), calls.clone());
        let channel = Channel::builder(1)
            .overflow(DropOldest)
            .on_undelivered_element(move |_| {
                // The hook is called for what the call below drops, too.
                if !called.swap(true, Ordering::Relaxed) {
                    let channel = inner.lock().unwrap().clone();
                    use_it(&channel.unwrap());
                }
            })
            .build();
        *this.lock().unwrap() = Some(channel.clone());
        let steps: [&dyn Fn(); 3] = [
            &|| channel.try_send(Nested(None)).unwrap(),
            &|| drop(channel.send(Nested(None))),
            &|| _ = channel.cancel(),
        ];
        for step in steps {
            let _ = channel.try_send(Nested(None));
            calls.store(false, Ordering::Relaxed);
            step();
            assert!(calls.load(Ordering::Relaxed));
        }
        *this.lock().unwrap() = None;
    }

    /// A waker that uses the channel when it is cloned, woken or dropped.
    struct Meddler(Weak<Mutex<Option<Channel<Nested>>>>);

    impl Meddler {
        fn meddle(&self) {
            let channel = self.0.upgrade().and_then(|it| it.lock().unwrap().clone());
            if let Some(channel) = channel {
                use_it(&channel);
            }
        }
    }

    impl Wake for Meddler {
        fn wake(self: Arc<Self>) {
            self.meddle();
        }
    }

    impl Drop for Meddler {
        fn drop(&mut self) {
            self.meddle();
        }
    }

    #[test]
    fn a_waker() {
        for (capacity, overflow) in KINDS {
            let channel = Channel::builder(capacity).overflow(overflow).build();
            let this = Arc::new(Mutex::new(Some(channel.clone())));
            let waker = || Waker::from(Arc::new(Meddler(Arc::downgrade(&this))));
            let (mut receive, mut send) = (
                Box::pin(channel.receive()),
                Box::pin(channel.send(Nested(None))),
            );
            for _ in 0..3 {
                let _ = receive.as_mut().poll(&mut Context::from_waker(&waker()));
            }
            for _ in 0..3 {
                if send
                    .as_mut()
                    .poll(&mut Context::from_waker(&waker()))
                    .is_ready()
                {
                    send = Box::pin(channel.send(Nested(None)));
                }
            }
            channel
                .on_close({
                    let channel = channel.clone();
                    move |_| use_it(&channel)
                })
                .unwrap();
            channel.close();
            channel.cancel();
            drop((receive, send));
            *this.lock().unwrap() = None;
        }
    }
}

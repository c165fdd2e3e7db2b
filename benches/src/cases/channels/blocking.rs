//! Between two threads without coroutines, which block.

use std::hint::black_box;
use std::sync::mpsc;
use std::thread;

use corox::Channel;

use super::{Cases, Variants};
use crate::Threads;

/// A thread sends numbers, and this one receives them.
fn between_threads<T: Send + 'static, R: 'static>(
    case: &mut Variants<'_>,
    variant: &'static str,
    ends: impl Fn() -> (T, R) + 'static,
    send: fn(&T, u64),
    receive: fn(&R) -> u64,
) {
    let elements = case.operations;
    case.thread(variant, move || {
        let (tx, rx) = ends();
        let sender = thread::spawn(move || (0..elements).for_each(|number| send(&tx, number)));
        let sum: u64 = (0..elements).map(|_| receive(&rx)).sum();
        assert_eq!(black_box(sum), elements * (elements - 1) / 2);
        sender.join().expect("it does not panic");
    });
}

fn capacity(case: &mut Variants<'_>, room: usize) {
    between_threads(
        case,
        "corox",
        move || Channel::new(room).split(),
        |tx, number| tx.send_blocking(number).expect("it is open"),
        |rx| rx.receive_blocking().expect("it is open"),
    );
    between_threads(
        case,
        "std-sync_channel",
        move || mpsc::sync_channel(room),
        |tx, number| tx.send(number).expect("it is open"),
        |rx| rx.recv().expect("it is open"),
    );
    between_threads(
        case,
        "kanal",
        move || kanal::bounded(room),
        |tx, number| tx.send(number).expect("it is open"),
        |rx| rx.recv().expect("it is open"),
    );
    between_threads(
        case,
        "flume",
        move || flume::bounded(room),
        |tx, number| tx.send(number).expect("it is open"),
        |rx| rx.recv().expect("it is open"),
    );
    if room > 0 {
        between_threads(
            case,
            "async-channel",
            move || async_channel::bounded(room),
            |tx, number| tx.send_blocking(number).expect("it is open"),
            |rx| rx.recv_blocking().expect("it is open"),
        );
        between_threads(
            case,
            "crossfire",
            move || crossfire::spsc::bounded_blocking(room),
            |tx, number| tx.send(number).expect("it is open"),
            |rx| rx.recv().expect("it is open"),
        );
    }
}

pub(super) fn register(cases: &mut Cases) {
    let (few, many) = (cases.scaled(40_000), cases.scaled(400_000));
    capacity(&mut cases.case("chan_rdv_blocking", Threads::One, few), 0);
    capacity(
        &mut cases.case("chan_buf64_blocking", Threads::One, many),
        64,
    );
}

//! From and to channels of async-channel.
#![cfg(feature = "async-channel")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use corox_channels::{AsyncChannelExt, Capacity, Channel};
use corox_core::{Error, coroutine_scope, probe, run_blocking};
use corox_test::run_test;

#[test]
fn elements_come_in_order_and_so_does_the_end() {
    run_test(async |t| {
        let (tx, foreign) = async_channel::bounded(3);
        let own = t.forward_from(Capacity::Rendezvous, foreign);
        let back = t.forward_to(None, own);
        for n in 0..100 {
            tx.send(n).await?;
        }
        drop(tx);
        for n in 0..100 {
            assert_eq!(back.recv().await?, n);
        }
        assert!(back.recv().await.is_err());
        Ok(())
    });
}

#[test]
fn each_side_ends_the_other() {
    run_test(async |t| {
        let (tx, foreign) = async_channel::unbounded::<u32>();
        let own = t.forward_from(0, foreign);
        t.run_current().await;
        drop(own);
        t.run_current().await;
        assert!(tx.is_closed(), "the source was dropped");
        let (tx, rx) = Channel::new(0).split();
        drop(t.forward_to(Some(1), rx));
        tx.send(1).await?;
        t.run_current().await;
        assert!(tx.is_closed_for_send());
        Ok(())
    });
}

#[test]
fn who_hands_over_waits_at_the_call() {
    run_test(async |t| {
        let scope = t.background_scope();
        let (tx, foreign) = async_channel::unbounded();
        tx.send(1).await?;
        let (_own, from) = (scope.forward_from(0, foreign), line!());
        let (_tx, rx) = Channel::<u32>::new(0).split();
        let (_foreign, to) = (scope.forward_to(None, rx), line!());
        t.run_current().await;
        let waits = scope.job().children().into_iter().map(|job| {
            let wait = probe::waits_of(&job).remove(0);
            assert_eq!(wait.location.file(), file!());
            (wait.what, wait.location.line())
        });
        assert_eq!(waits.collect::<Vec<_>>(), [("send", from), ("receive", to)]);
        Ok(())
    });
}

#[test]
fn a_cause_is_a_failure_of_the_scope() {
    let failed = run_blocking(async |_| {
        coroutine_scope(async |scope| {
            let (tx, rx) = Channel::<u32>::new(0).split();
            let foreign = scope.forward_to(None, rx);
            tx.close_with(Error::msg("broken"));
            assert!(foreign.recv().await.is_err());
            Ok(())
        })
        .await
    });
    assert_eq!(failed.unwrap_err().to_string(), "broken");
}

/// Bad input.
#[test]
fn a_bound_of_zero_is_refused() {
    let panic = catch_unwind(AssertUnwindSafe(|| {
        run_blocking(async |scope| {
            let _ = scope.forward_to(Some(0), Channel::<u32>::new(0).split().1);
            Ok(())
        })
    }));
    let message = *panic.unwrap_err().downcast::<&str>().unwrap();
    assert!(message.contains("give `Some(1)` or more"));
}

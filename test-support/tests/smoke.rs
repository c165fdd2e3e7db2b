//! Smoke.
use corox_core::*;
use corox_test::*;
use std::time::Duration;
use std::sync::Arc;
use std::sync::atomic::*;
fn ms(n: u64) -> Duration { Duration::from_millis(n) }

#[test]
fn both_clocks() {
    run_test(async |t| {
        let log = EventLog::new();
        let l = log.clone();
        t.launch(async move { delay(ms(1000)).await; l.add("own 1000"); delay(ms(500)).await; l.add("own 1500"); });
        let l = log.clone();
        t.launch(async move { tokio::time::sleep(ms(1200)).await; l.add("tokio 1200"); tokio::time::sleep(ms(3600_000)).await; l.add("tokio 1h"); });
        let l = log.clone();
        tokio::spawn(async move { tokio::time::sleep(ms(1100)).await; l.add("spawned 1100"); });
        t.advance_time_by(ms(1000)).await;
        assert_eq!(t.current_time(), ms(1000));
        log.assert(Vec::<&str>::new());
        t.run_current().await;
        log.assert(["own 1000"]);
        t.advance_until_idle().await;
        log.assert(["own 1000", "spawned 1100", "tokio 1200", "own 1500"]);
        assert_eq!(t.current_time(), ms(1500));
    });
}
#[test]
fn outside_holds() {
    run_test(async |t| {
        let r = with_timeout(ms(10), async |_| with_context(Dispatcher::DEFAULT, async { delay(ms(30)).await; tokio::time::sleep(ms(30)).await; Ok(1) }).await).await;
        assert_eq!(r?, 1);
        assert_eq!(t.current_time(), ms(0));
        Ok(())
    });
}
#[test]
fn main_works() {
    run_test(async |t| {
        let s = CoroutineScope::main();
        let job = s.launch(async { delay(ms(50)).await });
        job.join().await;
        assert_eq!(t.current_time(), ms(50));
        with_context(Dispatcher::DEFAULT, async { with_context(Dispatcher::MAIN, async { delay(ms(100)).await; Ok(()) }).await }).await?;
        assert_eq!(t.current_time(), ms(150));
        Ok(())
    });
}
#[test]
#[should_panic(expected = "has not completed after 200ms")]
fn hangs() {
    TestScope::default().run_test_within(ms(200), async |t| {
        t.launch(async { await_cancellation().await });
    });
}
#[test]
#[should_panic(expected = "replay: COROX_SEED=switches")]
fn lost_update() {
    explore(1000, async |t| {
        let sum = Arc::new(AtomicU32::new(0));
        for _ in 0..2 {
            let sum = sum.clone();
            t.launch(async move {
                let read = sum.load(Ordering::Relaxed);
                if read == 1 { yield_now().await; }
                sum.store(read + 1, Ordering::Relaxed);
            });
            let (a, b) = (t.launch(async {}), t.launch(async {}));
            b.join().await; 
            let _ = a;
        }
        t.run_current().await;
        assert_eq!(sum.load(Ordering::Relaxed), 1);
    });
}
#[test]
fn speed() {
    let s = std::time::Instant::now();
    for _ in 0..1000 { run_test(async |_| {}); }
    println!("idle {:?}", s.elapsed() / 1000);
    let s = std::time::Instant::now();
    run_test(async |t| {
        for i in 0..10_000u64 {
            t.launch(async move { for k in 0..100 { delay(ms(1 + (i * 7 + k * 13) % 1000)).await } });
        }
    });
    println!("million {:?}", s.elapsed());
}

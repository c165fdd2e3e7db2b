//! A million virtual delays across ten thousand coroutines, and what an empty test costs.

use std::time::{Duration, Instant};

use corox_core::delay;
use corox_test::run_test;

fn main() {
    let coroutines = 10_000;
    let delays = 100;
    let start = Instant::now();
    run_test(async |t| {
        for n in 0..coroutines {
            t.launch(async move {
                for k in 0..delays {
                    delay(Duration::from_millis(1 + (n * 7 + k * 13) % 1000)).await;
                }
            });
        }
    });
    let took = start.elapsed();
    println!("{} delays: {took:?}", coroutines * delays);

    let tests = 1000;
    let start = Instant::now();
    for _ in 0..tests {
        run_test(async |_| {});
    }
    println!("an empty test: {:?}", start.elapsed() / tests);
}

//! The traffic of the stress test under many orders of its coroutines, on one thread.

mod support;

use corox_core::{join_all, yield_now};
use corox_test::Explore;
use support::traffic::{Account, Case, consume, produce};

/// How many times each producer sends. Two of four are cancelled amid that, and two of four consumers.
const EACH: usize = 6;

/// How many orders of each case.
const SCHEDULES: usize = 60;

fn explore_all(selects: bool) {
    for case in Case::all().filter(|case| case.selects == selects) {
        let explored = Explore::new(SCHEDULES).run(async |t| {
            let account = Account::new();
            let channels = case.channels(&account);
            let producers =
                [1, 2].map(|seed| t.launch(produce(channels.clone(), account.clone(), seed, EACH)));
            let consumers =
                [101, 102].map(|seed| t.launch(consume(channels.clone(), account.clone(), seed)));
            let cancelled = [
                t.launch(produce(channels.clone(), account.clone(), 3, EACH)),
                t.launch(produce(channels.clone(), account.clone(), 4, EACH)),
                t.launch(consume(channels.clone(), account.clone(), 103)),
                t.launch(consume(channels.clone(), account.clone(), 104)),
            ];
            for job in &cancelled {
                for _ in 0..3 {
                    yield_now().await;
                }
                job.cancel();
            }
            if case.cancel {
                channels.iter().for_each(|channel| {
                    channel.cancel();
                });
            }
            join_all(&producers).await;
            join_all(&cancelled).await;
            channels.iter().for_each(|channel| {
                channel.close();
            });
            join_all(&consumers).await;
            account.close(&channels, case);
        });
        assert!(
            explored.distinct() > SCHEDULES / 2,
            "{case:?}: {explored:?}"
        );
    }
}

#[test]
fn every_element_is_accounted_for_in_any_order() {
    explore_all(false);
}

#[test]
fn every_element_is_accounted_for_in_any_order_of_selects() {
    explore_all(true);
}

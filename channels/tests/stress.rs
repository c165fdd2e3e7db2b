//! Many threads at once, with operations that are given up in between, and an exact account of every element: each is in one place,
//! and there is no other. For every capacity and policy, on 1, 2 and 8 workers, with plain operations and with selects.

mod support;

use corox_core::{join_all, new_fixed_thread_pool_context, run_blocking, yield_now};
use support::traffic::{Account, Case, consume, produce};

/// How many times each of three producers sends.
const EACH: usize = 600;

fn traffic(workers: usize, case: Case) {
    let account = Account::new();
    let channels = case.channels(&account);
    let pool = new_fixed_thread_pool_context(workers, "stress");
    run_blocking(async |scope| {
        let pool = scope.with(&*pool);
        let producers = [1, 2, 3]
            .map(|seed| pool.launch(produce(channels.clone(), account.clone(), seed, EACH)));
        let consumers = [101, 102, 103]
            .map(|seed| pool.launch(consume(channels.clone(), account.clone(), seed)));
        // Two that are cancelled amid the traffic, each in one of its operations.
        let cancelled = [
            pool.launch(produce(channels.clone(), account.clone(), 4, EACH)),
            pool.launch(consume(channels.clone(), account.clone(), 104)),
        ];
        while account.begun() < EACH {
            yield_now().await;
        }
        cancelled.iter().for_each(|job| job.cancel());
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
        Ok(())
    })
    .unwrap();
    account.close(&channels, case);
}

#[test]
fn every_element_is_accounted_for_on_one_worker() {
    Case::all().for_each(|case| traffic(1, case));
}

#[test]
fn every_element_is_accounted_for_on_two_workers() {
    Case::all().for_each(|case| traffic(2, case));
}

#[test]
fn every_element_is_accounted_for_on_eight_workers() {
    Case::all().for_each(|case| traffic(8, case));
}

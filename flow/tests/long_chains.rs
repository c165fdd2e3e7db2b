//! Long chains: what this file takes to build grows with the number of operators. Were the types or the code of a chain to double with each
//! of them, rustc would run out of memory here.

use std::time::Duration;

use corox_core::run_blocking;
use corox_flow::{flow_of, prelude::*};

#[test]
fn a_chain_of_operators_of_all_kinds_builds() {
    let all = run_blocking(async |_| {
        flow_of([1_u64, 2, 3])
            .map(|n| n + 1)
            .filter(|n| *n > 0)
            .filter_not(|n| *n == 0)
            .filter_map(Some)
            .on_each(|_| ())
            .map_async(async |n| n)
            .filter_async(async |_| true)
            .on_each_async(async |_| ())
            .distinct_until_changed()
            .distinct_until_changed_by_key(|n| *n)
            .enumerate()
            .map(|(_, n)| n)
            .scan(0, |_, n| n)
            .skip(1)
            .running_reduce(|_, n| n)
            .transform(async |n, e| e.emit(n).await)
            .take_while(|_| true)
            .take(100)
            .try_map(Ok)
            .catch(async |_, _| ())
            .on_start(async |_| ())
            .on_empty(async |_| ())
            .on_completion(|_| ())
            .cancellable()
            .buffer(2)
            .flat_map_concat(|n| flow_of([n]))
            .flat_map_merge(2, |n| flow_of([n]))
            .map_latest(async |n| n)
            .zip((0..).into_flow(), |n, _| n)
            .debounce(Duration::ZERO)
            .chunked(2)
            .map(|chunk| chunk.len())
            .to_vec()
            .await
    });
    assert_eq!(all.unwrap(), [2, 1]);
}

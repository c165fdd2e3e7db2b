//! Chains of operators, taken at random, over sources of any length: they give what the same chain of iterators does, pulled, driven,
//! and in boxes, over a source that waits and one that does not.
#![cfg(not(corox_loom))]

mod support;

use proptest::prelude::*;

use corox_flow::{LocalBoxFlow, flow, prelude::*};
use support::drop_at::pause;
use support::pulled::pulled;

/// One operator; those with a number in them have it from 0 to 5.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Map,
    MapAsync,
    Filter(u32),
    FilterAsync(u32),
    FilterNot(u32),
    FilterMap(u32),
    OnEach,
    Enumerate,
    Scan,
    ScanAsync,
    RunningReduce,
    RunningReduceAsync,
    Chunked(u32),
    Distinct,
    DistinctByKey(u32),
    Take(u32),
    TakeWhile(u32),
    TakeWhileAsync(u32),
    Skip(u32),
    SkipWhile(u32),
    SkipWhileAsync(u32),
    Transform(u32),
    TransformWhile(u32),
    TryMap,
    CatchAt(u32),
    OnStart,
    OnEmpty,
    OnCompletion,
    Retry(u32),
}

fn stage() -> impl Strategy<Value = Stage> {
    use Stage::*;
    let with_number = |make: fn(u32) -> Stage| (0..6_u32).prop_map(make).boxed();
    prop_oneof![
        Just(Map),
        Just(MapAsync),
        with_number(Filter),
        with_number(FilterAsync),
        with_number(FilterNot),
        with_number(FilterMap),
        Just(OnEach),
        Just(Enumerate),
        Just(Scan),
        Just(ScanAsync),
        Just(RunningReduce),
        Just(RunningReduceAsync),
        with_number(Chunked),
        Just(Distinct),
        with_number(DistinctByKey),
        with_number(Take),
        with_number(TakeWhile),
        with_number(TakeWhileAsync),
        with_number(Skip),
        with_number(SkipWhile),
        with_number(SkipWhileAsync),
        with_number(Transform),
        with_number(TransformWhile),
        Just(TryMap),
        with_number(CatchAt),
        Just(OnStart),
        Just(OnEmpty),
        Just(OnCompletion),
        with_number(Retry),
    ]
}

fn mix(a: u32, b: u32) -> u32 {
    a.wrapping_mul(3).wrapping_add(b) % 16
}

/// The operator on a flow.
fn on_flow(flow: LocalBoxFlow<'static, u32>, stage: Stage) -> LocalBoxFlow<'static, u32> {
    match stage {
        Stage::Map => flow.map(|n| mix(n, 1)).boxed_local(),
        Stage::MapAsync => flow
            .map_async(async |n| {
                if n % 2 == 0 {
                    pause().await;
                }
                mix(n, 2)
            })
            .boxed_local(),
        Stage::Filter(k) => flow.filter(move |n| n % 5 != k).boxed_local(),
        Stage::FilterAsync(k) => flow
            .filter_async(async move |n| {
                if n % 3 == 0 {
                    pause().await;
                }
                n % 5 != k
            })
            .boxed_local(),
        Stage::FilterNot(k) => flow.filter_not(move |n| n % 7 == k).boxed_local(),
        Stage::FilterMap(k) => flow
            .filter_map(move |n| (n % 6 != k).then_some(n + 1))
            .boxed_local(),
        Stage::OnEach => flow.on_each_async(async |_| pause().await).boxed_local(),
        Stage::Enumerate => flow
            .enumerate()
            .map(|(index, n)| mix(n, u32::try_from(index).unwrap()))
            .boxed_local(),
        Stage::Scan => flow.scan(5, mix).boxed_local(),
        Stage::ScanAsync => flow
            .scan_async(5, async |a, b| {
                pause().await;
                mix(a, b)
            })
            .boxed_local(),
        Stage::RunningReduce => flow.running_reduce(mix).boxed_local(),
        Stage::RunningReduceAsync => flow
            .running_reduce_async(async |a, b| mix(a, b))
            .boxed_local(),
        Stage::Chunked(k) => flow
            .chunked(k as usize + 1)
            .map(|chunk| chunk.into_iter().fold(0, mix))
            .boxed_local(),
        Stage::Distinct => flow.distinct_until_changed().boxed_local(),
        Stage::DistinctByKey(k) => flow
            .distinct_until_changed_by_key(move |n| n / (k + 1))
            .boxed_local(),
        Stage::Take(k) => flow.take(k as usize).boxed_local(),
        Stage::TakeWhile(k) => flow.take_while(move |n| *n != k).boxed_local(),
        Stage::TakeWhileAsync(k) => flow
            .take_while_async(async move |n| {
                pause().await;
                *n != k
            })
            .boxed_local(),
        Stage::Skip(k) => flow.skip(k as usize).boxed_local(),
        Stage::SkipWhile(k) => flow.skip_while(move |n| *n != k).boxed_local(),
        Stage::SkipWhileAsync(k) => flow
            .skip_while_async(async move |n| {
                pause().await;
                *n != k
            })
            .boxed_local(),
        Stage::Transform(k) => flow
            .transform(async move |n, e| {
                for i in 0..n % (k + 1) {
                    if i == 1 {
                        pause().await;
                    }
                    e.emit(mix(n, i)).await;
                }
            })
            .boxed_local(),
        Stage::TransformWhile(k) => flow
            .transform_while(async move |n, e| {
                e.emit(n).await;
                n % 11 != k
            })
            .boxed_local(),
        Stage::TryMap => flow.try_map(|n| Ok(mix(n, 3))).boxed_local(),
        Stage::CatchAt(k) => flow
            .map(move |n| {
                if n == k {
                    Err(corox_core::Error::msg("k"))
                } else {
                    Ok(n)
                }
            })
            .fail_on_err()
            .catch(async |_, e| e.emit(15).await)
            .boxed_local(),
        Stage::OnStart => flow
            .on_start(async |e| {
                e.emit(4).await;
                pause().await;
                e.emit(5).await;
            })
            .boxed_local(),
        Stage::OnEmpty => flow.on_empty(async |e| e.emit(6).await).boxed_local(),
        Stage::OnCompletion => flow
            .on_completion_async(async |_, e| {
                e.emit(7).await;
                pause().await;
                e.emit(8).await;
            })
            .boxed_local(),
        Stage::Retry(k) => flow
            .map(move |n| {
                if n == k {
                    Err(corox_core::Error::msg("k"))
                } else {
                    Ok(n)
                }
            })
            .fail_on_err()
            .retry_when(async |_, attempt, e| {
                e.emit(9).await;
                Ok(attempt < 2)
            })
            .catch(async |_, _| ())
            .boxed_local(),
    }
}

/// The same on all items at once.
fn on_items(items: Vec<u32>, stage: Stage) -> Vec<u32> {
    let at_last_of = |items: &[u32], stops: &dyn Fn(u32) -> bool| {
        let stop = items.iter().position(|n| stops(*n));
        stop.map_or(items.len(), |at| at + 1)
    };
    let it = items.clone().into_iter();
    match stage {
        Stage::Map => it.map(|n| mix(n, 1)).collect(),
        Stage::MapAsync => it.map(|n| mix(n, 2)).collect(),
        Stage::Filter(k) | Stage::FilterAsync(k) => it.filter(|n| n % 5 != k).collect(),
        Stage::FilterNot(k) => it.filter(|n| n % 7 != k).collect(),
        Stage::FilterMap(k) => it.filter(|n| n % 6 != k).map(|n| n + 1).collect(),
        Stage::OnEach => items,
        Stage::Enumerate => (0..).zip(it).map(|(index, n)| mix(n, index)).collect(),
        Stage::Scan | Stage::ScanAsync => {
            let mut last = 5;
            let rest = it.map(|n| {
                last = mix(last, n);
                last
            });
            std::iter::once(5).chain(rest).collect()
        }
        Stage::RunningReduce | Stage::RunningReduceAsync => {
            let mut last = None;
            it.map(|n| *last.insert(last.map_or(n, |last| mix(last, n))))
                .collect()
        }
        Stage::Chunked(k) => {
            let chunks = items.chunks(k as usize + 1);
            chunks
                .map(|chunk| chunk.iter().copied().fold(0, mix))
                .collect()
        }
        Stage::Distinct => {
            let mut items = items;
            items.dedup();
            items
        }
        Stage::DistinctByKey(k) => {
            let mut items = items;
            items.dedup_by_key(|n| *n / (k + 1));
            items
        }
        Stage::Take(k) => it.take(k as usize).collect(),
        Stage::TakeWhile(k) | Stage::TakeWhileAsync(k) => it.take_while(|n| *n != k).collect(),
        Stage::Skip(k) => it.skip(k as usize).collect(),
        Stage::SkipWhile(k) | Stage::SkipWhileAsync(k) => it.skip_while(|n| *n != k).collect(),
        Stage::Transform(k) => it
            .flat_map(|n| (0..n % (k + 1)).map(move |i| mix(n, i)))
            .collect(),
        Stage::TransformWhile(k) => items[..at_last_of(&items, &|n| n % 11 == k)].to_vec(),
        Stage::TryMap => it.map(|n| mix(n, 3)).collect(),
        Stage::CatchAt(k) => match items.iter().position(|n| *n == k) {
            Some(at) => items[..at].iter().copied().chain([15]).collect(),
            None => items,
        },
        Stage::OnStart => [4, 5].into_iter().chain(it).collect(),
        Stage::OnEmpty if items.is_empty() => vec![6],
        Stage::OnEmpty => items,
        Stage::OnCompletion => it.chain([7, 8]).collect(),
        Stage::Retry(k) => match items.iter().position(|n| *n == k) {
            Some(at) => items[..at]
                .iter()
                .copied()
                .chain([9])
                .collect::<Vec<_>>()
                .repeat(3),
            None => items,
        },
    }
}

/// All that a flow gives, where it waits for what has woken it already.
fn all(flow: LocalBoxFlow<'static, u32>) -> Vec<u32> {
    futures::executor::block_on(flow.to_vec()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 10 } else { 600 }))]

    #[test]
    fn are_as_those_of_iterators(
        items in prop::collection::vec(0..16_u32, 0..24),
        stages in prop::collection::vec(stage(), 0..7),
    ) {
        let expected = stages.iter().fold(items.clone(), |items, stage| on_items(items, *stage));
        let source = items.clone();
        let waiting = flow(async move |e| {
            for n in source {
                if n % 4 == 1 {
                    pause().await;
                }
                e.emit(n).await;
            }
        });
        for source in [items.into_flow().boxed_local(), waiting.boxed_local()] {
            let chain = |pull: fn(usize) -> bool| {
                stages.iter().enumerate().fold(source.clone(), |flow, (at, stage)| {
                    let flow = on_flow(flow, *stage);
                    if pull(at) { pulled(flow).boxed_local() } else { flow }
                })
            };
            let driven = chain(|_| false);
            prop_assert_eq!(all(driven.clone()), expected.clone(), "driven");
            prop_assert_eq!(all(driven), expected.clone(), "again");
            prop_assert_eq!(all(chain(|_| true)), expected.clone(), "pulled");
            prop_assert_eq!(all(chain(|at| at % 2 == 0)), expected.clone(), "mixed");
        }
    }
}

/// Stages that give each item as it is.
const THROUGH: [fn(LocalBoxFlow<'static, u32>) -> LocalBoxFlow<'static, u32>; 9] = [
    |flow| flow.map(|n| n).boxed_local(),
    |flow| flow.filter_async(async |_| true).boxed_local(),
    |flow| flow.transform(async |n, e| e.emit(n).await).boxed_local(),
    |flow| flow.take_while(|_| true).boxed_local(),
    |flow| flow.catch(async |_, _| ()).boxed_local(),
    |flow| flow.retry(1, |_| true).boxed_local(),
    |flow| flow.on_start(async |_| ()).boxed_local(),
    |flow| flow.on_completion(|_| ()).boxed_local(),
    |flow| flow.on_completion_async(async |_, _| ()).boxed_local(),
];

/// A thousand stages in boxes, on the stack of a thread of a test, which has 2 MB.
#[test]
fn a_thousand_stages_in_boxes() {
    let stages = THROUGH.iter().cycle().take(1000);
    let source = (0..100).into_flow().boxed_local();
    let flow = stages.fold(source, |flow, stage| stage(flow));
    let items: Vec<u32> = (0..100).collect();
    assert_eq!(all(flow.clone()), items);
    assert_eq!(all(pulled(flow).boxed_local()), items);
}

/// Items do not grow the stack, nor what is left of them the heap.
#[test]
fn a_million_items() {
    let source = (0..1_000_000).into_flow().boxed_local();
    let flow = THROUGH.iter().fold(source, |flow, stage| stage(flow));
    for flow in [flow.clone(), pulled(flow).boxed_local()] {
        let count = futures::executor::block_on(flow.count());
        assert_eq!(count.unwrap(), 1_000_000);
    }
}

//! Permits against a sequential model: random acquisitions of one or several, attempts, releases, futures and selects that are dropped
//! before or after they were served, polled by hand, with every step's outcome and every wake compared.

mod support;

use std::collections::VecDeque;
use std::task::Poll;

use corox_core::{Clause, select};
use corox_sync::{Semaphore, SemaphorePermit};
use proptest::prelude::*;
use support::Hand;

/// The semaphores as one would write them without concurrency. Two of them, so that a select has a choice.
#[derive(Debug)]
struct Model {
    all: usize,
    free: [usize; 2],
    unguarded: [usize; 2],
    /// By the number of the operation, in the order of waiting: how many it needs.
    lines: [VecDeque<(usize, usize)>; 2],
    /// By the number of an operation: the semaphore that has served it.
    served: Vec<Option<usize>>,
}

impl Model {
    /// Somebody has come or gone at this semaphore. A select that the other one has served counts until it has gone, or until
    /// somebody looks.
    fn settle(&mut self, at: usize) {
        while let Some((who, needs)) = self.lines[at].front().copied() {
            if self.served[who].is_none() {
                if needs > self.free[at] {
                    break;
                }
                self.free[at] -= needs;
                self.served[who] = Some(at);
            }
            self.lines[at].pop_front();
        }
    }

    fn give_back(&mut self, at: usize, permits: usize) {
        self.free[at] += permits;
        self.settle(at);
    }

    /// Whether one who comes is served at once.
    fn take(&mut self, at: usize, needs: usize) -> bool {
        if needs <= self.free[at] {
            self.settle(at);
        }
        let at_once = self.lines[at].is_empty() && needs <= self.free[at];
        if at_once {
            self.free[at] -= needs;
        }
        at_once
    }

    fn wait(&mut self, at: &[usize], needs: usize) -> usize {
        let who = self.served.len();
        self.served.push(None);
        for at in at {
            self.lines[*at].push_back((who, needs));
            self.settle(*at);
        }
        who
    }

    /// The operation has waited at these, and goes with what it was served.
    fn end(&mut self, who: usize, at: &[usize]) {
        for at in at {
            self.lines[*at].retain(|(other, _)| *other != who);
            if self.served[who] != Some(*at) {
                self.settle(*at);
            }
        }
    }

    /// The operation has waited at these, and is dropped.
    fn drop(&mut self, who: usize, at: &[usize], needs: usize) {
        // Nobody serves it from now on.
        let served = self.served[who].replace(usize::MAX);
        for at in at {
            self.lines[*at].retain(|(other, _)| *other != who);
            let back = if served == Some(*at) { needs } else { 0 };
            self.give_back(*at, back);
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Acquire(usize, usize),
    /// The first semaphore that is written first, and how many of either.
    Select(usize, usize),
    Try(usize, usize),
    /// Of the futures that are alive, this one, counted round.
    Poll(usize),
    Drop(usize),
    /// Of the permits that are held, this one.
    Release(usize),
    Forget(usize),
    Split(usize),
    ReleaseForgotten(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (at, needs) = (|| 0..2_usize, || 0..4_usize);
    prop_oneof![
        6 => (at(), needs()).prop_map(|(at, needs)| Step::Acquire(at, needs)),
        4 => (at(), needs()).prop_map(|(at, needs)| Step::Select(at, needs)),
        3 => (at(), needs()).prop_map(|(at, needs)| Step::Try(at, needs)),
        6 => any::<usize>().prop_map(Step::Poll),
        4 => any::<usize>().prop_map(Step::Drop),
        6 => any::<usize>().prop_map(Step::Release),
        1 => any::<usize>().prop_map(Step::Forget),
        1 => any::<usize>().prop_map(Step::Split),
        2 => (at(), needs()).prop_map(|(at, needs)| Step::ReleaseForgotten(at, needs)),
    ]
}

type Given<'a> = (usize, SemaphorePermit<'a>);

struct Waiting<'a> {
    who: usize,
    at: Vec<usize>,
    needs: usize,
    hand: Hand<std::pin::Pin<Box<dyn Future<Output = Given<'a>> + 'a>>>,
}

fn run(all: usize, steps: Vec<Step>) {
    let semaphores = [Semaphore::new(all), Semaphore::with_acquired(all, 1)];
    let mut model = Model {
        all,
        free: [all, all - 1],
        unguarded: [0, 1],
        lines: [VecDeque::new(), VecDeque::new()],
        served: Vec::new(),
    };
    let mut waiting: Vec<Waiting<'_>> = Vec::new();
    let mut held: Vec<Given<'_>> = Vec::new();
    for step in steps {
        match step {
            Step::Acquire(at, needs) => {
                let needs = needs.min(all);
                let semaphore = &semaphores[at];
                let mut hand: Hand<std::pin::Pin<Box<dyn Future<Output = Given<'_>>>>> =
                    Hand::new(Box::pin(async move {
                        (at, semaphore.acquire_many(needs).await)
                    }));
                let polled = hand.poll();
                let at_once = needs == 0 || model.take(at, needs);
                assert_eq!(polled.is_ready(), at_once);
                match polled {
                    Poll::Ready(given) => held.push(given),
                    Poll::Pending => {
                        let who = model.wait(&[at], needs);
                        let at = vec![at];
                        waiting.push(Waiting {
                            who,
                            at,
                            needs,
                            hand,
                        });
                    }
                }
            }
            Step::Select(first, needs) => {
                let needs = needs.clamp(1, all);
                let [one, other] = [&semaphores[first], &semaphores[1 - first]];
                let mut hand: Hand<std::pin::Pin<Box<dyn Future<Output = Given<'_>>>>> =
                    Hand::new(Box::pin(select((
                        one.on_acquire_many(needs)
                            .then(move |permit| (first, permit)),
                        other
                            .on_acquire_many(needs)
                            .then(move |permit| (1 - first, permit)),
                    ))));
                let polled = hand.poll();
                // Biased: the first of those that are there.
                let expected = if model.take(first, needs) {
                    Some(first)
                } else if model.take(1 - first, needs) {
                    Some(1 - first)
                } else {
                    None
                };
                match polled {
                    Poll::Ready(given) => {
                        assert_eq!(Some(given.0), expected);
                        held.push(given);
                    }
                    Poll::Pending => {
                        assert_eq!(None, expected);
                        let at = vec![first, 1 - first];
                        let who = model.wait(&at, needs);
                        waiting.push(Waiting {
                            who,
                            at,
                            needs,
                            hand,
                        });
                    }
                }
            }
            Step::Try(at, needs) => match semaphores[at].try_acquire_many(needs) {
                Ok(permit) => {
                    assert!(needs == 0 || model.take(at, needs));
                    held.push((at, permit));
                }
                Err(_) => assert!(needs > 0 && !model.take(at, needs)),
            },
            Step::Poll(_) | Step::Drop(_) if waiting.is_empty() => {}
            Step::Poll(at) => {
                let at = at % waiting.len();
                let polled = waiting[at].hand.poll();
                let served = model.served[waiting[at].who];
                match polled {
                    Poll::Ready(given) => {
                        assert_eq!(Some(given.0), served);
                        assert_eq!(given.1.count(), waiting[at].needs);
                        let Waiting { who, at, .. } = waiting.remove(at);
                        model.end(who, &at);
                        held.push(given);
                    }
                    Poll::Pending => assert_eq!(None, served),
                }
            }
            Step::Drop(at) => {
                let Waiting {
                    who,
                    at,
                    needs,
                    hand,
                } = waiting.remove(at % waiting.len());
                drop(hand);
                model.drop(who, &at, needs);
            }
            Step::Release(_) | Step::Forget(_) | Step::Split(_) if held.is_empty() => {}
            Step::Release(number) => {
                let (at, permit) = held.remove(number % held.len());
                let permits = permit.count();
                drop(permit);
                model.give_back(at, permits);
            }
            Step::Forget(number) => {
                let (at, permit) = held.remove(number % held.len());
                model.unguarded[at] += permit.count();
                permit.forget();
            }
            Step::Split(number) => {
                let number = number % held.len();
                let (at, permit) = &mut held[number];
                let at = *at;
                let half = permit.split(permit.count() / 2).unwrap();
                assert!(permit.split(permit.count() + 1).is_none());
                held.push((at, half));
            }
            Step::ReleaseForgotten(at, permits) => {
                let released = semaphores[at].release_many(permits);
                assert_eq!(released.is_ok(), permits <= model.unguarded[at]);
                if released.is_ok() {
                    model.unguarded[at] -= permits;
                    model.give_back(at, permits);
                }
            }
        }
        for (at, semaphore) in semaphores.iter().enumerate() {
            assert_eq!(semaphore.available_permits(), model.free[at]);
            let guarded: usize = held
                .iter()
                .filter(|(of, _)| *of == at)
                .map(|(_, permit)| permit.count())
                .sum();
            let served: usize = waiting
                .iter()
                .filter(|it| model.served[it.who] == Some(at))
                .map(|it| it.needs)
                .sum();
            let inside = model.free[at] + model.unguarded[at];
            assert_eq!(guarded + served + inside, model.all);
        }
        for Waiting { who, hand, .. } in &waiting {
            let served = model.served[*who].is_some();
            assert_eq!(hand.wakes(), usize::from(served), "of {who}");
        }
    }
    drop((waiting, held));
    for (semaphore, unguarded) in semaphores.iter().zip(model.unguarded) {
        assert_eq!(semaphore.available_permits(), all - unguarded);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn permits_are_where_the_model_has_them(
        all in 1..4_usize,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        run(all, steps);
    }
}

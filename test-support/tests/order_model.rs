//! Random programs run in the order of a simple sequential model: V-1 to V-6.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use corox_core::{CoroutineScope, delay, yield_now};
use corox_test::{EventLog, Explore, TestScope, run_test};
use proptest::collection::vec;
use proptest::prelude::*;

/// What a coroutine does.
#[derive(Clone, Copy, Debug)]
enum Step {
    Delay(u64),
    Yield,
    /// Launches the program with this number, if that is a later one.
    Launch(usize),
}

/// What the body of the test does.
#[derive(Clone, Copy, Debug)]
enum Move {
    AdvanceBy(u64),
    RunCurrent,
    UntilIdle,
    Delay(u64),
    Launch(usize),
}

/// Coroutine, step, and the time at which it was done.
type Event = (usize, usize, u64);

const BODY: usize = usize::MAX;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..6_u64).prop_map(Step::Delay),
        2 => Just(Step::Yield),
        1 => (0..8_usize).prop_map(Step::Launch),
    ]
}

fn a_move() -> impl Strategy<Value = Move> {
    prop_oneof![
        (0..8_u64).prop_map(Move::AdvanceBy),
        Just(Move::RunCurrent),
        Just(Move::UntilIdle),
        (0..4_u64).prop_map(Move::Delay),
        (0..8_usize).prop_map(Move::Launch),
    ]
}

/// The model: events by time and number, and nothing else.
struct Model<'a> {
    programs: &'a [Vec<Step>],
    now: u64,
    number: u64,
    /// Coroutine and the step that it goes on with.
    events: BTreeMap<(u64, u64), (usize, usize)>,
    log: Vec<Event>,
}

impl Model<'_> {
    fn add(&mut self, time: u64, coroutine: usize, step: usize) {
        self.number += 1;
        self.events.insert((time, self.number), (coroutine, step));
    }

    /// Runs a coroutine from `step` to its next suspension.
    fn run(&mut self, coroutine: usize, mut step: usize) {
        while let Some(next) = self.programs[coroutine].get(step) {
            self.log.push((coroutine, step, self.now));
            step += 1;
            match *next {
                Step::Delay(0) => {}
                Step::Delay(time) => {
                    return self.add(self.now + time, coroutine, step);
                }
                Step::Yield => return self.add(self.now, coroutine, step),
                Step::Launch(other) => self.launch(coroutine, other),
            }
        }
    }

    fn launch(&mut self, from: usize, other: usize) {
        if other < self.programs.len() && (from == BODY || other > from) {
            self.add(self.now, other, 0);
        }
    }

    /// Runs what comes before `limit`.
    fn run_before(&mut self, limit: (u64, u64)) {
        while let Some(event) = self.events.first_entry() {
            if *event.key() >= limit {
                return;
            }
            let ((time, _), (coroutine, step)) = event.remove_entry();
            self.now = self.now.max(time);
            self.run(coroutine, step);
        }
    }

    fn play(mut self, moves: &[Move]) -> (Vec<Event>, u64) {
        for (at, one) in moves.iter().enumerate() {
            match *one {
                Move::AdvanceBy(time) => {
                    let target = self.now + time;
                    // What is ready now is before every later time; with no time to go by nothing runs.
                    if time > 0 {
                        self.run_before((target, 0));
                    }
                    self.now = target;
                }
                Move::RunCurrent => self.run_before((self.now + 1, 0)),
                Move::UntilIdle => self.run_before((u64::MAX, 0)),
                Move::Delay(0) => {}
                Move::Delay(time) => {
                    self.number += 1;
                    let end = (self.now + time, self.number);
                    self.run_before(end);
                    self.now = end.0;
                }
                Move::Launch(other) => self.launch(BODY, other),
            }
            self.log.push((BODY, at, self.now));
        }
        self.run_before((u64::MAX, 0));
        (self.log, self.now)
    }
}

#[derive(Clone)]
struct Real {
    programs: Arc<Vec<Vec<Step>>>,
    log: EventLog<Event>,
    clock: TestScope,
}

impl Real {
    fn now(&self) -> u64 {
        self.clock.current_time().as_millis() as u64
    }

    fn launch(&self, scope: &CoroutineScope, from: usize, other: usize) {
        if other >= self.programs.len() || (from != BODY && other <= from) {
            return;
        }
        let (own, inner) = (self.clone(), scope.clone());
        scope.launch(async move {
            for (at, step) in own.programs[other].iter().enumerate() {
                own.log.push((other, at, own.now()));
                match *step {
                    Step::Delay(time) => delay(Duration::from_millis(time)).await,
                    Step::Yield => yield_now().await,
                    Step::Launch(another) => own.launch(&inner, other, another),
                }
            }
        });
    }

    async fn play(&self, moves: &[Move]) {
        let t = &self.clock;
        for (at, one) in moves.iter().enumerate() {
            match *one {
                Move::AdvanceBy(time) => t.advance_time_by(Duration::from_millis(time)).await,
                Move::RunCurrent => t.run_current().await,
                Move::UntilIdle => t.advance_until_idle().await,
                Move::Delay(time) => delay(Duration::from_millis(time)).await,
                Move::Launch(other) => self.launch(t, BODY, other),
            }
            self.log.push((BODY, at, self.now()));
        }
    }
}

fn check(programs: Vec<Vec<Step>>, moves: Vec<Move>) {
    let model = Model {
        programs: &programs,
        now: 0,
        number: 0,
        events: BTreeMap::new(),
        log: Vec::new(),
    };
    let (expected, end) = model.play(&moves);
    let log = EventLog::of();
    let programs = Arc::new(programs);
    let real = |t: &TestScope| Real {
        programs: programs.clone(),
        log: log.clone(),
        clock: t.clone(),
    };
    let t = TestScope::default();
    t.run_test(async |t| real(&t).play(&moves).await);
    assert_eq!(log.take(), expected);
    assert_eq!(t.current_time(), Duration::from_millis(end));
    // The first schedule of an exploration is that order.
    Explore::new(1).run(async |t| real(&t).play(&moves).await);
    assert_eq!(log.take(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn programs_run_in_the_order_of_the_model(
        programs in vec(vec(step(), 0..6), 1..6),
        moves in vec(a_move(), 0..8),
    ) {
        check(programs, moves);
    }

    /// With tokio's timers, at times of their own: one order for both.
    #[test]
    fn tokio_s_timers_are_in_one_order_with_corox_s(
        times in vec(1..400_u64, 1..20),
    ) {
        let log = EventLog::of();
        let mut expected = Vec::new();
        run_test(async |t| {
            for (n, time) in times.iter().copied().enumerate() {
                // No two at one time, and every other one of tokio's.
                let time = time * 20 + n as u64;
                expected.push((time, n));
                let log = log.clone();
                t.launch(async move {
                    let wait = Duration::from_millis(time);
                    if n % 2 == 0 {
                        delay(wait).await;
                    } else {
                        tokio::time::sleep(wait).await;
                    }
                    log.push((time, n));
                });
            }
        });
        expected.sort();
        prop_assert_eq!(log.events(), expected);
    }
}

//! When a drainer wakes another one, and when its batch ends; the tests play the drainers, so that nothing depends on threads.

use std::pin::pin;
use std::task::{Context, Waker};

use super::*;
use seat::Seated;

/// A pool of two workers that nobody runs: a test plays its drainers.
fn pool() -> (tokio::runtime::Runtime, Arc<Pool>, [Box<Local>; 2]) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let rt = builder.worker_threads(2).build().unwrap();
    let pool = Arc::new(Pool::new(rt.handle().clone(), false));
    // So that the monitor does not look at it.
    pool.armed.store(true, Ordering::Relaxed);
    let locals = [0, 1].map(|number| Local::new(pool.clone(), Some(number)));
    *pool.seats.write() = locals.iter().map(|local| local.seat.clone()).collect();
    pool.generation.fetch_add(1, Ordering::Release);
    (rt, pool, locals)
}

/// Runs `f` as a task would that the drainer of `mine` runs, and gives that back.
fn inside(pool: &Arc<Pool>, mine: Box<Local>, f: impl FnOnce()) -> Box<Local> {
    let mut home = Some(mine);
    {
        let _seated = Seated::enter(&mut home);
        let _here = Here::Pool(pool.address()).enter();
        f();
    }
    home.expect("it is back")
}

fn task() -> Task {
    Task::new(async {}, |_, _| {})
}

/// Runs what waits, and then so many tasks that they were short however slow the machine is.
fn run_short_tasks(pool: &Pool) {
    while Local::with(pool, Local::next).flatten().is_some() {}
    Local::with(pool, |local| (0..1_000_000).for_each(|_| _ = local.bump()));
}

type Push = fn(&Arc<Pool>);

const WAKES: [Push; 2] = [
    |pool| push_woken(pool.address(), || Some(task())),
    |pool| pool.push(task(), Wakeup::Wake).unwrap(),
];

/// With one drainer asleep, this thread is the other one: whether it wakes that with so many pushes.
fn wakes(pool: &Arc<Pool>, asleep: &Seat, pushes: usize, push: Push) -> bool {
    pool.idle.announce(&asleep.status);
    (0..pushes).for_each(|_| push(pool));
    let woken = asleep.status.is_notified();
    pool.idle.start(&asleep.status);
    woken
}

#[test]
fn a_few_that_are_woken_after_short_tasks_wake_no_drainer() {
    for push in WAKES {
        let (_rt, pool, [mine, other]) = pool();
        inside(&pool, mine, || {
            assert!(!wakes(&pool, &other.seat, 1, push));
            // There are two now, and how long the tasks take is not known yet.
            assert!(wakes(&pool, &other.seat, 1, push));
            for few in 1..=4 {
                run_short_tasks(&pool);
                assert!(!wakes(&pool, &other.seat, few, push), "{few}");
            }
            assert!(wakes(&pool, &other.seat, 1, push));
        });
    }
}

#[test]
fn two_wake_a_drainer_if_they_are_launched_or_go_behind_others() {
    let pushes: [Push; 3] = [
        |pool| pool.push(task(), Wakeup::Launch).unwrap(),
        |pool| pool.push(task(), Wakeup::Again).unwrap(),
        |pool| pool.push(task(), Wakeup::Yield).unwrap(),
    ];
    for push in pushes {
        let (_rt, pool, [mine, other]) = pool();
        inside(&pool, mine, || {
            wakes(&pool, &other.seat, 2, WAKES[0]);
            run_short_tasks(&pool);
            assert!(!wakes(&pool, &other.seat, 1, WAKES[0]));
            assert!(wakes(&pool, &other.seat, 1, push));
        });
    }
}

#[test]
fn what_waits_when_a_batch_begins_wakes_a_drainer_unless_it_is_little() {
    let chain: Push = |pool| pool.chain();
    let (_rt, pool, [mine, other]) = pool();
    inside(&pool, mine, || {
        assert!(!wakes(&pool, &other.seat, 1, chain));
        WAKES[0](&pool);
        assert!(wakes(&pool, &other.seat, 1, chain));
        for few in 0..=4 {
            run_short_tasks(&pool);
            (0..few).for_each(|_| WAKES[0](&pool));
            assert!(!wakes(&pool, &other.seat, 1, chain), "{few}");
        }
        WAKES[0](&pool);
        assert!(wakes(&pool, &other.seat, 1, chain));
    });
}

fn poll(rt: &tokio::runtime::Runtime, drainer: &mut Drainer) {
    let _context = rt.enter();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(pin!(drainer).poll(&mut cx).is_pending());
}

#[test]
fn what_is_woken_at_the_end_of_a_batch_does_not_come_after_all_that_wait() {
    let (rt, pool, [mine, _]) = pool();
    let address = pool.address();
    let log = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let mine = inside(&pool, mine, || {
        for number in 0..1000 {
            let log = log.clone();
            let turn = async move {
                log.lock().push(number);
                // So that the first batch, of an even number of tasks, ends between one that wakes and the one that it wakes.
                if number == 0 {
                    return;
                }
                let woken = Task::new(async move { log.lock().push(-number) }, |_, _| {});
                push_woken(address, || Some(woken));
            };
            let task = Task::new(turn, |_, _| {});
            pool.push(task, Wakeup::Launch).unwrap();
        }
    });
    let mut drainer = Drainer::new(mine);
    let mut polls = 0;
    while log.lock().len() < 1999 {
        poll(&rt, &mut drainer);
        polls += 1;
    }
    let log = log.lock();
    assert!(polls > 1, "{polls}");
    let in_order = log[1..].chunks(2).all(|pair| pair[1] == -pair[0]);
    assert!(in_order, "{log:?}");
}

#[test]
fn a_batch_ends_also_if_each_task_wakes_the_next() {
    fn wake_next(address: usize, ran: Arc<AtomicUsize>) {
        let turn = async move {
            if ran.fetch_add(1, Ordering::Relaxed) < 1000 {
                wake_next(address, ran);
            }
        };
        push_woken(address, || Some(Task::new(turn, |_, _| {})));
    }
    let (rt, pool, [mine, _]) = pool();
    let ran = Arc::new(AtomicUsize::new(0));
    let mine = inside(&pool, mine, || {
        wake_next(pool.address(), ran.clone());
    });
    poll(&rt, &mut Drainer::new(mine));
    let ran = ran.load(Ordering::Relaxed);
    assert!(ran <= 256 + 3, "{ran}");
}

#[test]
fn after_its_sleep_a_drainer_does_not_know_how_long_its_tasks_take() {
    let (rt, pool, [mine, other]) = pool();
    let mine = inside(&pool, mine, || {
        wakes(&pool, &other.seat, 2, WAKES[0]);
        run_short_tasks(&pool);
        assert!(!wakes(&pool, &other.seat, 2, WAKES[0]));
    });
    let mut drainer = Drainer::new(mine);
    poll(&rt, &mut drainer);
    let mine = drainer.local.take().expect("the poll has ended");
    // Awake again.
    pool.idle.start(&mine.seat.status);
    inside(&pool, mine, || {
        assert!(wakes(&pool, &other.seat, 2, WAKES[0]));
    });
}

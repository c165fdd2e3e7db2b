//! Tasks 2 and 3: what is easily forgotten where answers go to callbacks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use corox::{CoroutineScope, Result, delay, suspend_cancellable};
use corox_test::{EventLog, run_test};
use tokio::sync::oneshot;

use super::aggregate::aggregate;
use super::service::{LIST_AFTER, ORG, Repo, User, user};
use super::{all_contributors, ms};

/// The service as libraries without coroutines have it: a call returns at once, and its callback gets the answer.
#[derive(Clone)]
enum CallbackService {
    /// Before the call returns, which no network does.
    AtOnce,
    /// By the clock of a test, one callback after another. The contributors of each repository come after these times.
    InTime(CoroutineScope, [Duration; 3]),
    /// On a thread for each callback.
    OnThreads,
}

impl CallbackService {
    fn get_org_repos_call(&self, on_response: impl FnOnce(Vec<Repo>) + Send + 'static) {
        let repos = ORG.iter().map(|project| project.repo).collect();
        self.respond(LIST_AFTER, repos, on_response);
    }

    fn get_repo_contributors_call(
        &self,
        repo: Repo,
        on_response: impl FnOnce(Vec<User>) + Send + 'static,
    ) {
        let place = ORG.iter().position(|project| project.repo == repo);
        let place = place.expect("a repository of the organisation");
        let after = match self {
            CallbackService::InTime(_, after) => after[place],
            _ => Duration::ZERO,
        };
        self.respond(after, ORG[place].contributors.to_vec(), on_response);
    }

    fn respond<T: Send + 'static>(
        &self,
        after: Duration,
        response: T,
        on_response: impl FnOnce(T) + Send + 'static,
    ) {
        match self {
            CallbackService::AtOnce => on_response(response),
            CallbackService::InTime(network, _) => {
                network.launch(async move {
                    delay(after).await;
                    on_response(response);
                });
            }
            CallbackService::OnThreads => {
                thread::spawn(move || on_response(response));
            }
        }
    }
}

/// Blocks the thread until the callback is called.
fn execute<T: Send + 'static>(call: impl FnOnce(Box<dyn FnOnce(T) + Send>)) -> T {
    let (done, response) = mpsc::channel();
    call(Box::new(move |value| done.send(value).expect("it waits")));
    response.recv().expect("a response")
}

/// What is shown, and when, if the contributors come after these times.
fn shown_in_time(
    after: [Duration; 3],
    load: impl FnOnce(CallbackService, Screen),
) -> Vec<(Duration, Vec<User>)> {
    let shown = EventLog::of();
    let screen = shown.clone();
    run_test(async move |t| {
        let clock = t.scheduler().clone();
        let update_results = move |users| screen.push((clock.current_time(), users));
        let service = CallbackService::InTime((*t).clone(), after);
        load(service, Arc::new(update_results));
    });
    shown.take()
}

/// A callback that shows users; its clones show them on the same screen.
type Screen = Arc<dyn Fn(Vec<User>) + Send + Sync>;

/// The times of the tutorial.
fn as_it_is() -> [Duration; 3] {
    [ms(1000), ms(1200), ms(800)]
}

#[must_use]
fn load_contributors_blocking(service: &CallbackService, log: &EventLog) -> Vec<User> {
    let repos: Vec<Repo> = execute(|done| service.get_org_repos_call(done));
    log.add(format!("kotlin: loaded {} repos", repos.len()));
    let mut all = Vec::new();
    for repo in repos {
        let users: Vec<User> = execute(|done| service.get_repo_contributors_call(repo, done));
        log.add(format!("{}: loaded {} users", repo.name, users.len()));
        all.extend(users);
    }
    aggregate(all)
}

/// What is shown, and what was logged, by a function that does it all on a thread of its own.
fn shown_from_a_thread(
    load: fn(CallbackService, EventLog, Screen) -> JoinHandle<()>,
) -> (Vec<Vec<User>>, Vec<String>) {
    let (shown, log) = (EventLog::of(), EventLog::new());
    let (screen, lines) = (shown.clone(), log.clone());
    run_test(async move |t| {
        let service = CallbackService::InTime((*t).clone(), as_it_is());
        let update_results = move |users| screen.push(users);
        let thread = load(service, lines, Arc::new(update_results));
        // Not by `blocking`, which would hold the clock of the test until the thread has ended.
        let (end, ended) = oneshot::channel();
        thread::spawn(move || end.send(thread.join().is_ok()));
        assert!(ended.await?, "it does not panic");
        assert_eq!(t.current_time(), ms(4000), "one request after another");
        Ok(())
    });
    (shown.take(), log.take())
}

const LOADED: [&str; 4] = [
    "kotlin: loaded 3 repos",
    "repo-1: loaded 2 users",
    "repo-2: loaded 2 users",
    "repo-3: loaded 1 users",
];

#[test]
fn tutorial_task2_background_shows_what_the_callback_is_called_with() {
    fn load(service: CallbackService, log: EventLog, update_results: Screen) -> JoinHandle<()> {
        thread::spawn(move || update_results(load_contributors_blocking(&service, &log)))
    }

    let (shown, log) = shown_from_a_thread(load);
    assert_eq!(shown, [all_contributors()]);
    assert_eq!(log, LOADED);
}

/// Without the `_` the compiler warns: the result must be used.
#[test]
fn tutorial_task2_background_shows_nothing_if_the_result_is_dropped() {
    fn load(service: CallbackService, log: EventLog, _: Screen) -> JoinHandle<()> {
        thread::spawn(move || {
            let _ = load_contributors_blocking(&service, &log);
        })
    }

    let (shown, log) = shown_from_a_thread(load);
    assert!(shown.is_empty(), "{shown:?}");
    assert_eq!(log, LOADED, "though all was loaded");
}

#[test]
fn tutorial_task3_naive_shows_an_empty_list_since_no_callback_has_run_yet() {
    fn load(service: CallbackService, update_results: Screen) {
        service.clone().get_org_repos_call(move |repos| {
            let all = Arc::new(Mutex::new(Vec::new()));
            for repo in repos {
                let all = all.clone();
                service.get_repo_contributors_call(repo, move |users| {
                    all.lock().unwrap().extend(users);
                });
            }
            let users = all.lock().unwrap().clone();
            update_results(aggregate(users));
        });
    }

    let shown = shown_in_time(as_it_is(), load);
    assert_eq!(shown, [(ms(1000), vec![])]);

    // A mock that answers before the call returns hides the mistake.
    let shown = EventLog::of();
    let screen = shown.clone();
    load(
        CallbackService::AtOnce,
        Arc::new(move |users| screen.push(users)),
    );
    assert_eq!(shown.take(), [all_contributors()]);
}

#[test]
fn tutorial_task3_last_index_loses_what_comes_after_the_last_of_the_list() {
    fn load(service: CallbackService, update_results: Screen) {
        service.clone().get_org_repos_call(move |repos| {
            let all = Arc::new(Mutex::new(Vec::new()));
            let last = repos.len() - 1;
            for (i, repo) in repos.into_iter().enumerate() {
                let (all, update_results) = (all.clone(), update_results.clone());
                service.get_repo_contributors_call(repo, move |users| {
                    let mut all = all.lock().unwrap();
                    all.extend(users);
                    if i == last {
                        update_results(aggregate(all.clone()));
                    }
                });
            }
        });
    }

    let of_the_third = vec![user("user-a", 40)];
    let shown = shown_in_time(as_it_is(), load);
    assert_eq!(shown, [(ms(1800), of_the_third)]);
    // Where the last of the list is the slowest, nothing is lost, and nobody sees that it could be.
    let shown = shown_in_time([ms(800), ms(1000), ms(1200)], load);
    assert_eq!(shown, [(ms(2200), all_contributors())]);
}

/// The list is shared by callbacks on several threads: without the `Mutex` this does not compile.
fn load_contributors_counter(service: CallbackService, update_results: Screen) {
    service.clone().get_org_repos_call(move |repos| {
        let all = Arc::new(Mutex::new(Vec::new()));
        let processed = Arc::new(AtomicUsize::new(0));
        let number = repos.len();
        for repo in repos {
            let (all, update_results) = (all.clone(), update_results.clone());
            let processed = processed.clone();
            service.get_repo_contributors_call(repo, move |users| {
                all.lock().unwrap().extend(users);
                if processed.fetch_add(1, Ordering::AcqRel) + 1 == number {
                    update_results(aggregate(all.lock().unwrap().drain(..)));
                }
            });
        }
    });
}

#[test]
fn tutorial_task3_counter_shows_all_once_in_every_order_of_arrival() {
    let (a, b, c) = (ms(800), ms(1000), ms(1200));
    for after in [
        [a, b, c],
        [a, c, b],
        [b, a, c],
        [b, c, a],
        [c, a, b],
        [c, b, a],
        [c, c, c],
    ] {
        let shown = shown_in_time(after, load_contributors_counter);
        assert_eq!(shown, [(ms(2200), all_contributors())], "{after:?}");
    }
}

#[test]
fn tutorial_task3_counter_shows_all_once_from_any_threads() {
    for _ in 0..100 {
        let (show, shown) = mpsc::channel();
        let update_results = move |users| show.send(users).expect("it is looked at");
        load_contributors_counter(CallbackService::OnThreads, Arc::new(update_results));
        // The channel ends when the last callback is gone.
        let shown: Vec<_> = shown.iter().collect();
        assert_eq!(shown, [all_contributors()]);
    }
}

struct CountDownLatch {
    left: Mutex<usize>,
    none: Condvar,
}

impl CountDownLatch {
    fn new(left: usize) -> CountDownLatch {
        CountDownLatch {
            left: Mutex::new(left),
            none: Condvar::new(),
        }
    }

    fn count_down(&self) {
        let mut left = self.left.lock().unwrap();
        *left -= 1;
        if *left == 0 {
            self.none.notify_all();
        }
    }

    fn wait(&self) {
        let left = self.left.lock().unwrap();
        drop(self.none.wait_while(left, |left| *left > 0).unwrap());
    }
}

#[test]
fn tutorial_task3_latch_lets_the_thread_that_has_started_all_show_it() {
    fn load(service: &CallbackService, mut update_results: impl FnMut(Vec<User>)) {
        let repos: Vec<Repo> = execute(|done| service.get_org_repos_call(done));
        let all = Arc::new(Mutex::new(Vec::new()));
        let latch = Arc::new(CountDownLatch::new(repos.len()));
        for repo in repos {
            let (all, latch) = (all.clone(), latch.clone());
            service.get_repo_contributors_call(repo, move |users| {
                all.lock().unwrap().extend(users);
                latch.count_down();
            });
        }
        latch.wait();
        update_results(aggregate(all.lock().unwrap().drain(..)));
    }

    for _ in 0..100 {
        let mut shown = Vec::new();
        load(&CallbackService::OnThreads, |users| {
            shown.push((thread::current().id(), users));
        });
        assert_eq!(shown, [(thread::current().id(), all_contributors())]);
    }
}

/// With `suspend_cancellable` a call with a callback is one that suspends, and what is written with it reads like the blocking version.
#[test]
fn tutorial_task4_suspend_can_be_had_of_calls_with_callbacks() {
    async fn get_org_repos(service: &CallbackService) -> Result<Vec<Repo>> {
        suspend_cancellable(|continuation| {
            service.get_org_repos_call(move |repos| {
                // Refused is only a second value.
                let _ = continuation.resume(repos);
            });
        })
        .await
    }

    async fn get_repo_contributors(service: &CallbackService, repo: Repo) -> Result<Vec<User>> {
        suspend_cancellable(|continuation| {
            service.get_repo_contributors_call(repo, move |users| {
                let _ = continuation.resume(users);
            });
        })
        .await
    }

    async fn load(service: &CallbackService) -> Result<Vec<User>> {
        let mut all = Vec::new();
        for repo in get_org_repos(service).await? {
            all.extend(get_repo_contributors(service, repo).await?);
        }
        Ok(aggregate(all))
    }

    run_test(async |t| {
        let service = CallbackService::InTime((*t).clone(), as_it_is());
        assert_eq!(load(&service).await?, all_contributors());
        assert_eq!(t.current_time(), ms(4000));
        assert_eq!(load(&CallbackService::OnThreads).await?, all_contributors());
        assert_eq!(t.current_time(), ms(4000));
        Ok(())
    });
}

//! What an inspector tells of the coroutines.

#[path = "support/http.rs"]
mod http;
mod support;

use std::collections::BTreeMap;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::available_parallelism;

use corox_core::{
    CompletableJob, CoroutineName, CoroutineScope, Dispatch, Dispatcher, Rejected, Result, Task,
    await_cancellation, coroutine_scope, new_single_thread_context, run_blocking, with_context,
    yield_now,
};
use corox_debug::Inspector;
use http::get;
use serde_json::{Value, json};
use support::alone;

/// With an inspector.
fn inspected<T: Send + 'static>(test: impl FnOnce(&Inspector) -> T + Send + 'static) -> T {
    alone(|| test(&Inspector::serve("127.0.0.1:0").unwrap()))
}

fn list(inspector: &Inspector, query: &str) -> Value {
    get(inspector, &format!("/api/coroutines{query}")).json()
}

fn rows(list: &Value) -> &[Value] {
    list["coroutines"].as_array().unwrap()
}

/// The names of the rows, each behind its depth.
fn names(list: &Value) -> Vec<String> {
    let name = |row: &Value| {
        let name = row["name"].as_str().unwrap_or("?");
        format!("{}{name}", "-".repeat(depth(row)))
    };
    rows(list).iter().map(name).collect()
}

fn depth(row: &Value) -> usize {
    usize::try_from(row["depth"].as_u64().unwrap()).unwrap()
}

fn row<'a>(list: &'a Value, name: &str) -> &'a Value {
    let mut rows = rows(list).iter();
    let row = rows.find(|row| row["name"] == name);
    row.unwrap_or_else(|| panic!("{name} in {list:#}"))
}

fn named(scope: &CoroutineScope, name: &str) -> corox_core::Launcher {
    scope.with(CoroutineName::new(name.to_owned()))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn each_coroutine_is_told_of_with_all_that_is_known() {
    inspected(|inspector| {
        let thread = new_single_thread_context("busy-thread");
        let (go_on, wait) = sync_channel::<()>(0);
        let (began, has_begun) = channel();
        run_blocking(async |scope| {
            let line = line!() + 2;
            // Polled four times.
            let yielding = named(&scope, "yielding").launch(async {
                for _ in 0..3 {
                    yield_now().await;
                }
                await_cancellation().await
            });
            let lazy = named(&scope, "lazy").lazy().launch(async {});
            let busy = named(&scope, "busy").with(&thread).launch(async move {
                began.send(()).unwrap();
                let _ = wait.recv();
            });
            has_begun.recv()?;
            for _ in 0..5 {
                yield_now().await;
            }
            let list = list(inspector, "");
            assert_eq!(list["process"]["id"], std::process::id());
            let name = list["process"]["name"].as_str().unwrap();
            assert!(name.starts_with("inspector-"), "{name}");
            let counts = ["total", "matching", "listed"].map(|count| number(&list[count]));
            assert_eq!(counts, [4, 4, 4]);
            let states = json!({ "created": 1, "running": 2, "suspended": 1 });
            assert_eq!(list["states"], states);
            assert_eq!(names(&list), ["?", "-yielding", "-lazy", "-busy"]);

            let root = &rows(&list)[0];
            assert_eq!(root["id"], json!(scope.job().id()));
            assert_eq!(
                (&root["kind"], &root["builder"]),
                (&json!("BlockingCoroutine"), &json!("run_blocking"))
            );
            assert_eq!(
                (&root["state"], &root["thread"]),
                (&json!("RUNNING"), &json!("tester"))
            );
            assert_eq!((&root["parent"], &root["below"]), (&Value::Null, &json!(3)));

            let told = row(&list, "yielding");
            assert_eq!(told["id"], json!(yielding.id()));
            assert_eq!(told["kind"], "StandaloneCoroutine");
            assert_eq!(
                (&told["state"], &told["job_state"]),
                (&json!("SUSPENDED"), &json!("Active"))
            );
            assert_eq!((&told["parent"], &told["below"]), (&root["key"], &json!(0)));
            let parent = told["parent_description"].as_str().unwrap();
            assert!(parent.contains("BlockingCoroutine{Active}@"), "{parent}");
            assert_eq!(told["polls"], 4);
            assert_eq!(
                (&told["thread"], &told["running_us"]),
                (&Value::Null, &Value::Null)
            );
            let file = told["launched"]["file"].as_str().unwrap();
            assert!(file.ends_with("tests/inspector.rs"), "{file}");
            assert_eq!(told["launched"]["line"], line);
            let waits = told["waits"].as_array().unwrap();
            assert_eq!((waits.len(), &told["more_waits"]), (1, &json!(0)));
            assert_eq!(told["waits_are_over"], false);
            let lines = waits[0].as_array().unwrap();
            assert_eq!(lines[0]["function"], "await_cancellation");
            assert_eq!(
                (&lines[0]["line"], &lines[1]["line"]),
                (&json!(line + 4), &json!(line))
            );

            let told = row(&list, "lazy");
            assert_eq!(
                (&told["state"], &told["job_state"]),
                (&json!("CREATED"), &json!("New"))
            );
            assert_eq!(
                (&told["polls"], &told["busy_us"], &told["waits"]),
                (&json!(0), &Value::Null, &json!([]))
            );

            let told = row(&list, "busy");
            assert_eq!(
                (&told["state"], &told["thread"]),
                (&json!("RUNNING"), &json!("busy-thread"))
            );
            assert_eq!(told["polls"], 1);
            // One poll, which goes on.
            assert_eq!(told["busy_us"], told["running_us"]);
            assert!(number(&told["running_us"]) <= number(&told["age_us"]));
            let later = get(inspector, "/api/coroutines").json();
            assert!(number(&row(&later, "busy")["busy_us"]) > number(&told["busy_us"]));

            // Ages are in the order of creation.
            let ages: Vec<_> = rows(&list)
                .iter()
                .map(|row| number(&row["age_us"]))
                .collect();
            assert!(
                ages.is_sorted_by(|older, younger| older >= younger),
                "{ages:?}"
            );
            assert!(ages[0] <= number(&list["process"]["inspected_us"]));

            drop(go_on);
            busy.join().await;
            lazy.cancel();
            yielding.cancel();
            Ok(())
        })
        .unwrap();
        assert_eq!(list(inspector, "")["total"], 0);
    });
}

#[test]
fn a_coroutine_is_told_with_its_scopes_and_polls_of_its_parts() {
    inspected(|inspector| {
        let thread = new_single_thread_context("elsewhere");
        let (began, has_begun) = channel();
        run_blocking(async |scope| {
            // A poll here, and two on the other thread; the first one of these has a scope inside.
            let job = named(&scope, "moved").launch(async move {
                let inner = coroutine_scope(async move |_| -> Result<()> {
                    yield_now().await;
                    began.send(()).unwrap();
                    await_cancellation().await
                });
                with_context(&thread, inner).await
            });
            yield_now().await;
            has_begun.recv()?;
            let told = loop {
                let list = list(inspector, "?q=moved");
                assert_eq!(list["listed"], 1);
                let told = row(&list, "moved").clone();
                if told["state"] == "SUSPENDED" {
                    break told;
                }
            };
            assert_eq!(told["polls"], 3);
            let functions = |told: &Value| -> Vec<Value> {
                let lines = told["waits"][0].as_array().unwrap().iter();
                lines.map(|line| line["function"].clone()).collect()
            };
            let expected = [
                "await_cancellation",
                "coroutine_scope",
                "with_context",
                "launch",
            ];
            assert_eq!(functions(&told), expected);
            // A dump has stacks told, which take the place of scopes there, but not here.
            let dump = get(inspector, "/api/dump");
            assert!(
                dump.body.contains("::a_coroutine_is_told_with"),
                "{}",
                dump.body
            );
            assert_eq!(functions(row(&list(inspector, ""), "moved")), expected);
            job.cancel();
            Ok(())
        })
        .unwrap();
    });
}

/// `a` with `b` in it, and `c` in that; then `d`.
fn family(scope: &CoroutineScope) -> [corox_core::Job; 4] {
    let a = named(scope, "a").launch(await_cancellation());
    let b = named(scope, "b").with(&a).launch(await_cancellation());
    let d = named(scope, "d").launch(await_cancellation());
    let c = named(scope, "c").with(&b).launch(await_cancellation());
    [a, b, c, d]
}

fn with_family(test: impl FnOnce(&Inspector, BTreeMap<&str, u64>) + Send + 'static) {
    inspected(|inspector| {
        let scope = CoroutineScope::new(Dispatcher::DEFAULT);
        let jobs = family(&scope);
        let all = list(inspector, "");
        let key = |name| (name, number(&row(&all, name)["key"]));
        test(inspector, ["a", "b", "c", "d"].map(key).into());
        run_blocking(async |_| {
            scope.cancel();
            corox_core::join_all(&jobs).await;
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn rows_are_in_the_order_of_the_tree() {
    with_family(|inspector, keys| {
        let all = list(inspector, "");
        assert_eq!(names(&all), ["a", "-b", "--c", "d"]);
        let below: Vec<_> = rows(&all).iter().map(|row| number(&row["below"])).collect();
        assert_eq!(below, [2, 1, 0, 0]);
        assert_eq!(row(&all, "c")["parent"], keys["b"]);
        // A job without a body is around these, and is no row.
        assert_eq!(row(&all, "a")["parent"], Value::Null);
    });
}

#[test]
fn a_search_leaves_what_has_all_the_words() {
    with_family(|inspector, keys| {
        let found = |query: &str| names(&list(inspector, query));
        assert_eq!(found("?q=%22c%23"), ["c"]);
        assert_eq!(found("?q=%22B%23+Standalone"), ["b"]);
        assert_eq!(
            found("?q=launch+AWAIT_cancellation"),
            ["a", "-b", "--c", "d"]
        );
        assert_eq!(found("?q=inspector.rs&limit=2"), ["a", "-b"]);
        assert_eq!(found("?q=nowhere").len(), 0);
        assert_eq!(found("?q=suspended+nowhere").len(), 0);
        let id = number(&row(&list(inspector, ""), "d")["id"]);
        assert_eq!(found(&format!("?q=%23{id}%22")), ["d"]);

        let list = list(inspector, "?q=%22c%23");
        let counts = ["total", "matching", "listed"].map(|count| number(&list[count]));
        assert_eq!(counts, [4, 1, 1]);
        // What is around it is known, though it has no row.
        assert_eq!(
            (
                &list["coroutines"][0]["parent"],
                depth(&list["coroutines"][0])
            ),
            (&json!(keys["b"]), 0)
        );
    });
}

/// The middle of a chain does not match: the row moves to what is around that.
#[test]
fn a_row_whose_parent_has_none_is_below_the_next_one() {
    inspected(|inspector| {
        run_blocking(async |scope| {
            let a = named(&scope, "x-a").launch(await_cancellation());
            let b = named(&scope, "b").with(&a).launch(await_cancellation());
            let group = CompletableJob::child_of(&b);
            let c = named(&scope, "x-c")
                .with(&*group)
                .launch(await_cancellation());
            let all = list(inspector, "");
            assert_eq!(names(&all), ["?", "-x-a", "--b", "---x-c"]);
            let found = list(inspector, "?q=x-");
            assert_eq!(names(&found), ["x-a", "-x-c"]);
            assert_eq!(found["coroutines"][0]["below"], 1);
            for job in [c, b, a] {
                job.cancel();
            }
            group.cancel();
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn below_what_is_collapsed_nothing_is_listed() {
    with_family(|inspector, keys| {
        let (a, b, d) = (keys["a"], keys["b"], keys["d"]);
        let outer = list(inspector, &format!("?collapsed={a},{b},{d},999999"));
        assert_eq!(names(&outer), ["a", "d"]);
        let counts = ["total", "matching", "listed"].map(|count| number(&outer[count]));
        assert_eq!(counts, [4, 4, 2]);
        assert_eq!(
            (&row(&outer, "a")["collapsed"], &row(&outer, "a")["below"]),
            (&json!(true), &json!(2))
        );
        // Those that do not live are not asked for again.
        assert_eq!(outer["collapsed"], json!([a, b, d]));
        let inner = list(inspector, &format!("?collapsed={b}"));
        assert_eq!(names(&inner), ["a", "-b", "d"]);
        // The limit is one of rows.
        assert_eq!(
            names(&list(inspector, &format!("?collapsed={a}&limit=2"))),
            ["a", "d"]
        );
    });
}

#[test]
fn a_list_that_cannot_be_understood_is_refused() {
    inspected(|inspector| {
        for query in [
            "?limit=x",
            "?limit=100000",
            "?q=%zz",
            "?collapsed=a",
            "?sort=age",
        ] {
            let answer = get(inspector, &format!("/api/coroutines{query}"));
            assert_eq!(answer.status, 400, "{query}");
            assert!(!answer.body.trim().is_empty());
        }
    });
}

#[test]
fn names_are_told_as_they_are() {
    inspected(|inspector| {
        let ugly = "</script><img src=x onerror=alert(1)> \"'&\\ {}:@#1 \u{202e}\u{0}\n\u{1f980}";
        run_blocking(async |scope| {
            let job = named(&scope, ugly).launch(await_cancellation());
            let list = list(inspector, "");
            assert_eq!(row(&list, ugly)["kind"], "StandaloneCoroutine");
            // As text, and nothing that a browser would take for a page.
            let dump = get(inspector, "/api/dump");
            assert_eq!(
                dump.header("content-type"),
                Some("text/plain; charset=utf-8")
            );
            assert!(dump.body.contains(ugly));
            job.cancel();
            Ok(())
        })
        .unwrap();
    });
}

async fn waits_in_here() -> Result<()> {
    yield_now().await;
    await_cancellation().await
}

#[test]
fn a_dump_has_the_functions_of_those_that_wait() {
    inspected(|inspector| {
        let scope = CoroutineScope::new(Dispatcher::DEFAULT);
        let job = named(&scope, "waiter").launch(async { waits_in_here().await });
        while row(&list(inspector, ""), "waiter")["polls"] != 2 {}
        let dump = get(inspector, "/api/dump");
        assert!(dump.body.starts_with("Coroutines dump "), "{}", dump.body);
        let (_, text) = dump.body.split_once("\n\nCoroutine \"waiter#").unwrap();
        assert!(
            text.contains("state: SUSPENDED\n\tat await_cancellation ("),
            "{text}"
        );
        assert!(text.contains("inspector::waits_in_here"), "{text}");
        // The list stays at suspension points and scopes.
        let list = list(inspector, "");
        let lines = row(&list, "waiter")["waits"][0].as_array().unwrap().len();
        assert_eq!(lines, 2);
        job.cancel();
        run_blocking(async |_| {
            job.join().await;
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn it_answers_while_every_worker_and_the_event_loop_are_blocked() {
    inspected(|inspector| {
        let workers = available_parallelism()
            .map_or(1, |workers| workers.get())
            .max(2);
        let (began, has_begun) = channel();
        run_blocking(async |scope| {
            let mut blocked = Vec::new();
            for _ in 0..workers {
                let began = began.clone();
                let (go_on, wait) = sync_channel::<()>(0);
                blocked.push(go_on);
                scope.with(Dispatcher::DEFAULT).launch(async move {
                    began.send(()).unwrap();
                    let _ = wait.recv();
                });
            }
            for _ in 0..workers {
                has_begun.recv()?;
            }
            // One that no worker can take, and this thread is that of the event loop.
            let waiting = scope.with(Dispatcher::DEFAULT).launch(async {});
            let list = list(inspector, "");
            let states = json!({ "created": 1, "running": workers + 1, "suspended": 0 });
            assert_eq!(list["states"], states);
            let dump = get(inspector, "/api/dump");
            assert_eq!(dump.body.matches("state: RUNNING on ").count(), workers + 1);
            assert_eq!(get(inspector, "/").status, 200);
            drop(blocked);
            waiting.join().await;
            Ok(())
        })
        .unwrap();
    });
}

/// Has each task run on a thread; as long as somebody keeps the lock, it keeps whoever hands one over.
struct Sticky(Arc<Mutex<()>>, Sender<()>);

impl Dispatch for Sticky {
    fn dispatch(&self, task: Task) -> std::result::Result<(), Rejected> {
        let _ = self.1.send(());
        drop(self.0.lock());
        std::thread::spawn(move || task.run());
        Ok(())
    }
}

/// A dump wakes coroutines, and that is code of users. It is not that thread which waits for it.
#[test]
fn a_dump_that_hangs_stops_nothing_else() {
    let lock = Arc::new(Mutex::new(()));
    let (handed, was_handed) = channel();
    let dispatcher = Dispatcher::new(Sticky(lock.clone(), handed));
    inspected(move |inspector| {
        let scope = CoroutineScope::new(dispatcher);
        let job = named(&scope, "stuck").launch(await_cancellation());
        while row(&list(inspector, ""), "stuck")["state"] != "SUSPENDED" {}
        was_handed.recv().unwrap();
        let kept = lock.lock().unwrap();
        let second = Inspector::serve("127.0.0.1:0").unwrap();
        let address = second.local_addr();
        let mut asking = http::connect(address);
        let request = format!("GET /api/dump HTTP/1.1\r\nHost: {address}\r\n\r\n");
        std::io::Write::write_all(&mut asking, request.as_bytes()).unwrap();
        // The dump has come to the dispatcher, and stays there.
        was_handed.recv().unwrap();
        assert_eq!(get(&second, "/").status, 200);
        assert_eq!(row(&list(&second, ""), "stuck")["state"], "SUSPENDED");
        drop(second);
        drop(kept);
        assert!(get(inspector, "/api/dump").body.contains("\"stuck#"));
        job.cancel();
        run_blocking(async |_| {
            job.join().await;
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn deadlocks_are_told_as_sentences_and_as_values() {
    inspected(|inspector| {
        run_blocking(async |scope| {
            let locks = || Arc::new(corox_sync::Mutex::new(()));
            let (a, b) = (locks(), locks());
            for (name, first, second) in [("left", &a, &b), ("right", &b, &a)] {
                let (first, second) = (first.clone(), second.clone());
                named(&scope, name).launch(async move {
                    let _first = first.lock().await;
                    yield_now().await;
                    let _second = second.lock().await;
                });
            }
            assert_eq!(list(inspector, "")["deadlocks"], json!([]));
            while number(&list(inspector, "")["states"]["suspended"]) < 2 {
                yield_now().await;
            }
            // Both wait for the second lock.
            for _ in 0..3 {
                yield_now().await;
            }
            let told = list(inspector, "")["deadlocks"].clone();
            let text = told[0].as_str().unwrap();
            assert!(text.starts_with("Deadlock: \"left#") && text.contains("held by \"right#"));
            let values = get(inspector, "/api/deadlocks").json();
            assert_eq!(
                (values.as_array().unwrap().len(), &values[0]["text"]),
                (1, &told[0])
            );
            assert_eq!(values[0]["members"].as_array().unwrap().len(), 2);
            scope.cancel();
            Ok(())
        })
        .unwrap_err();
    });
}

#[test]
fn ten_thousand_are_listed_as_far_as_was_asked() {
    inspected(|inspector| {
        const COUNT: usize = 10_000;
        run_blocking(async |scope| {
            for number in 0..COUNT - 1 {
                named(&scope, &format!("n{number}")).lazy().launch(async {});
            }
            let some = list(inspector, "");
            assert_eq!((number(&some["listed"]), rows(&some).len()), (10_000, 500));
            assert_eq!(rows(&list(inspector, "?limit=10000")).len(), COUNT);
            assert_eq!(names(&list(inspector, "?q=%22n9876%23")), ["n9876"]);
            assert_eq!(rows(&list(inspector, "?limit=0")).len(), 0);
            scope.cancel();
            Ok(())
        })
        .unwrap_err();
    });
}

/// Nothing recurses.
#[test]
fn a_chain_may_be_as_deep_as_it_likes() {
    inspected(|inspector| {
        const DEPTH: usize = 20_000;
        run_blocking(async |scope| {
            let mut job = scope.job().clone();
            for number in 1..=DEPTH {
                job = named(&scope, &format!("n{number}"))
                    .lazy()
                    .with(&job)
                    .launch(async {});
            }
            let all = list(inspector, "?limit=10000");
            assert_eq!(all["coroutines"][0]["below"], DEPTH);
            assert_eq!(depth(&all["coroutines"][9_999]), 9_999);
            let last = list(inspector, &format!("?q=%22n{DEPTH}%23"));
            assert_eq!(depth(row(&last, &format!("n{DEPTH}"))), 0);
            let root = number(&all["coroutines"][0]["key"]);
            let folded = list(inspector, &format!("?collapsed={root}"));
            assert_eq!((rows(&folded).len(), number(&folded["listed"])), (1, 1));
            scope.cancel();
            Ok(())
        })
        .unwrap_err();
    });
}

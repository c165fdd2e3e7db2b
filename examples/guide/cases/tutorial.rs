//! The tutorial: the contributors of all repositories of an organisation, loaded in several ways.

mod aggregate;
mod loaders;
mod service;

use std::time::Duration;

use corox::{
    Capacity, Channel, CoroutineScope, DEFAULT, Deferred, Result, await_all, coroutine_scope,
    delay, thread_label,
};
use corox_test::run_test;
use tokio::time::Instant;

use self::aggregate::aggregate;
use self::loaders::{load_channels, load_concurrent, load_progress, load_suspending};
use self::service::{MockService, ORG, User};

cases! {
    "tutorial-task1-aggregate" tutorial_task1_aggregate "The contributors of several repositories in one list";
    "tutorial-task4-suspend" tutorial_task4_suspend "One request after the other, and no thread that waits";
    "tutorial-suspend-log" tutorial_suspend_log "It is all one coroutine, as its log shows";
    "tutorial-async-await" tutorial_async_await "A coroutine with a result, which another awaits";
    "tutorial-await-all" tutorial_await_all "Several of them, awaited together";
    "tutorial-task5-concurrent" tutorial_task5_concurrent "All requests at the same time";
    "tutorial-task5-default-dispatcher" tutorial_task5_default_dispatcher "And on the threads of the shared pool";
    "tutorial-task6-progress" tutorial_task6_progress "What is there so far is shown after each request";
    "tutorial-channel-log" tutorial_channel_log "Two send into a channel without a buffer, and one receives";
    "tutorial-task7-channels" tutorial_task7_channels "All requests at the same time, and what is there so far is shown after each";
    "tutorial-virtual-suspend" fn tutorial_virtual_suspend "In a test a delay takes no time, and the clock says that it did";
    "tutorial-virtual-launch" fn tutorial_virtual_launch "Nor in a coroutine that the tested function launches";
    "tutorial-task8" fn tutorial_task8 "The loaders in tests, which say exactly when what is there";
}

async fn tutorial_task1_aggregate(_: CoroutineScope) -> Result<()> {
    let users = ORG.iter().flat_map(|project| project.contributors.to_vec());
    for user in aggregate(users) {
        println!("{} {}", user.login, user.contributions);
    }
    Ok(())
}

async fn tutorial_task4_suspend(_: CoroutineScope) -> Result<()> {
    let begin = Instant::now();
    for user in load_suspending(MockService).await? {
        println!("{} {}", user.login, user.contributions);
    }
    println!("Completed in {} ms", begin.elapsed().as_millis());
    Ok(())
}

async fn tutorial_suspend_log(_: CoroutineScope) -> Result<()> {
    let begin = Instant::now();
    let log = |text: String| {
        let (elapsed, label) = (begin.elapsed().as_millis(), thread_label());
        println!("{elapsed} [{label}] INFO  Contributors - {text}");
    };

    let repos = MockService.get_org_repos().await?;
    log(format!("kotlin: loaded {} repos", repos.len()));
    for repo in repos {
        let users = MockService.get_repo_contributors(repo).await?;
        log(format!(
            "{}: loaded {} contributors",
            repo.name,
            users.len()
        ));
    }
    Ok(())
}

async fn tutorial_async_await(scope: CoroutineScope) -> Result<()> {
    async fn load_data() -> Result<i32> {
        println!("loading...");
        delay(Duration::from_secs(1)).await;
        println!("loaded!");
        Ok(42)
    }

    let deferred: Deferred<i32> = scope.spawn(load_data());
    println!("waiting...");
    println!("{}", deferred.await?);
    Ok(())
}

async fn tutorial_await_all(scope: CoroutineScope) -> Result<()> {
    let deferreds: Vec<Deferred<u64>> = (1..=3)
        .map(|n| {
            scope.spawn(async move {
                delay(Duration::from_secs(n)).await;
                println!("Loading {n}");
                Ok(n)
            })
        })
        .collect();
    let sum: u64 = await_all(deferreds).await?.iter().sum();
    println!("{sum}");
    Ok(())
}

async fn tutorial_task5_concurrent(_: CoroutineScope) -> Result<()> {
    let begin = Instant::now();
    for user in load_concurrent(MockService).await? {
        println!("{} {}", user.login, user.contributions);
    }
    println!("Completed in {} ms", begin.elapsed().as_millis());
    Ok(())
}

async fn tutorial_task5_default_dispatcher(_: CoroutineScope) -> Result<()> {
    let begin = Instant::now();
    let log = move |text: String| {
        let (elapsed, label) = (begin.elapsed().as_millis(), thread_label());
        println!("{elapsed} [{label}] INFO  Contributors - {text}");
    };

    coroutine_scope(async |scope| {
        let repos = MockService.get_org_repos().await?;
        let deferreds: Vec<_> = repos
            .into_iter()
            .map(|repo| {
                scope.with(DEFAULT).spawn(async move {
                    log(format!("starting loading for {}", repo.name));
                    let users = MockService.get_repo_contributors(repo).await?;
                    log(format!(
                        "{}: loaded {} contributors",
                        repo.name,
                        users.len()
                    ));
                    Ok(users)
                })
            })
            .collect();
        await_all(deferreds).await
    })
    .await?;
    Ok(())
}

async fn tutorial_task6_progress(_: CoroutineScope) -> Result<()> {
    let begin = Instant::now();
    load_progress(MockService, async |_, completed| {
        println!("{} {completed}", begin.elapsed().as_millis());
        Ok(())
    })
    .await
}

async fn tutorial_channel_log(scope: CoroutineScope) -> Result<()> {
    fn log(text: &str) {
        println!("[{}] {text}", thread_label());
    }

    let channel = Channel::new(Capacity::Rendezvous);
    let [a, b] = [channel.clone(), channel.clone()];
    scope.launch(async move {
        a.send("A1").await?;
        a.send("A2").await?;
        log("A done");
        Ok(())
    });
    scope.launch(async move {
        b.send("B1").await?;
        log("B done");
        Ok(())
    });
    scope.launch(async move {
        for _ in 0..3 {
            let text = channel.receive().await?;
            log(text);
        }
        Ok(())
    });
    Ok(())
}

async fn tutorial_task7_channels(_: CoroutineScope) -> Result<()> {
    let begin = Instant::now();
    load_channels(MockService, async |_, completed| {
        println!("{} {completed}", begin.elapsed().as_millis());
        Ok(())
    })
    .await
}

fn tutorial_virtual_suspend() {
    async fn foo() {
        delay(Duration::from_secs(1)).await;
        println!("foo");
    }

    run_test(async |t| {
        let (real, virtual_begin) = (std::time::Instant::now(), t.current_time());
        foo().await;
        println!("{} ms", real.elapsed().as_millis());
        println!("{} ms", (t.current_time() - virtual_begin).as_millis());
    });
}

fn tutorial_virtual_launch() {
    async fn bar() -> Result<()> {
        coroutine_scope(async |scope| {
            scope.launch(async {
                delay(Duration::from_secs(1)).await;
                println!("bar");
            });
            Ok(())
        })
        .await
    }

    run_test(async |t| {
        let (real, virtual_begin) = (std::time::Instant::now(), t.current_time());
        bar().await?;
        println!("{} ms", real.elapsed().as_millis());
        println!("{} ms", (t.current_time() - virtual_begin).as_millis());
        Ok(())
    });
}

fn tutorial_task8() {
    let all = aggregate(ORG.iter().flat_map(|project| project.contributors.to_vec()));
    run_test(async |t| {
        assert_eq!(load_suspending(MockService).await?, all);
        println!("suspend {}", t.current_time().as_millis());
        Ok(())
    });
    run_test(async |t| {
        assert_eq!(load_concurrent(MockService).await?, all);
        println!("concurrent {}", t.current_time().as_millis());
        Ok(())
    });
    // Which repositories have been loaded after each step: one after the other, and in the order of their answers.
    let steps = |order: [usize; 3]| {
        [1, 2, 3].map(|loaded| {
            let projects = order[..loaded].iter().map(|&i| &ORG[i]);
            aggregate(projects.flat_map(|project| project.contributors.to_vec()))
        })
    };
    run_test(async |t| {
        let mut shown = Vec::new();
        print!("progress");
        let update = async |users: &[User], completed| {
            shown.push(users.to_vec());
            assert_eq!(completed, shown.len() == 3);
            print!(" {}", t.current_time().as_millis());
            Ok(())
        };
        load_progress(MockService, update).await?;
        println!();
        assert_eq!(shown, steps([0, 1, 2]));
        Ok(())
    });
    run_test(async |t| {
        let mut shown = Vec::new();
        print!("channels");
        let update = async |users: &[User], completed| {
            shown.push(users.to_vec());
            assert_eq!(completed, shown.len() == 3);
            print!(" {}", t.current_time().as_millis());
            Ok(())
        };
        load_channels(MockService, update).await?;
        println!();
        assert_eq!(shown, steps([2, 0, 1]));
        Ok(())
    });
}

//! The tutorial: the contributors of all repositories of an organisation, loaded in several ways.

mod aggregate;
mod service;

use std::time::Duration;

use corox::{
    CoroutineScope, DEFAULT, Deferred, Result, await_all, coroutine_scope, delay, thread_label,
};
use corox_test::run_test;
use tokio::time::Instant;

use self::aggregate::aggregate;
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
    "tutorial-virtual-suspend" fn tutorial_virtual_suspend "In a test a delay takes no time, and the clock says that it did";
    "tutorial-virtual-launch" fn tutorial_virtual_launch "Nor in a coroutine that the tested function launches";
}

async fn tutorial_task1_aggregate(_: CoroutineScope) -> Result<()> {
    let users = ORG.iter().flat_map(|project| project.contributors.to_vec());
    for user in aggregate(users) {
        println!("{} {}", user.login, user.contributions);
    }
    Ok(())
}

async fn tutorial_task4_suspend(_: CoroutineScope) -> Result<()> {
    async fn load_contributors(service: MockService) -> Result<Vec<User>> {
        let mut users = Vec::new();
        for repo in service.get_org_repos().await? {
            users.extend(service.get_repo_contributors(repo).await?);
        }
        Ok(aggregate(users))
    }

    let begin = Instant::now();
    for user in load_contributors(MockService).await? {
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
    async fn load_contributors(service: MockService) -> Result<Vec<User>> {
        coroutine_scope(async |scope| {
            let repos = service.get_org_repos().await?;
            let deferreds: Vec<_> = repos
                .into_iter()
                .map(|repo| scope.spawn(service.get_repo_contributors(repo)))
                .collect();
            Ok(aggregate(await_all(deferreds).await?.concat()))
        })
        .await
    }

    let begin = Instant::now();
    for user in load_contributors(MockService).await? {
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
    async fn load_contributors(
        service: MockService,
        mut update_results: impl AsyncFnMut(&[User], bool) -> Result<()>,
    ) -> Result<()> {
        let repos = service.get_org_repos().await?;
        let mut all = Vec::new();
        for (i, repo) in repos.iter().enumerate() {
            all.extend(service.get_repo_contributors(*repo).await?);
            all = aggregate(all);
            update_results(&all, i == repos.len() - 1).await?;
        }
        Ok(())
    }

    let begin = Instant::now();
    load_contributors(MockService, async |_, completed| {
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

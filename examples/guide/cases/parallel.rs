//! Calls in parallel.
//!
//! The services are delays that answer: what is shown is how their calls are put together.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use corox::prelude::*;
use corox::{Error, Semaphore, StdErrorOf, await_all, channel_flow, coroutine_scope};
use tokio::time::Instant;

cases! {
    "parallel-async-await" parallel_async_await "Three calls at once take as long as the slowest";
    "parallel-await-all" parallel_await_all "A call for each item of a list; the answers come in its order";
    "parallel-throttle" parallel_throttle "A call for each item, three of them at a time";
    "parallel-throttle-manual" parallel_throttle_manual "The same, with a permit that is released by hand";
    "parallel-batches" parallel_batches "Ten at a time, one batch after another";
    "parallel-progress" parallel_progress "The same, telling after each batch how far it is";
    "parallel-product-details" parallel_product_details "Five calls, of which one needs the answer of another";
    "parallel-dont-sequential-await" parallel_dont_sequential_await "Awaited where it is spawned, a call is not concurrent";
    "parallel-perf-sequential" parallel_perf_sequential "Three calls one after the other";
    "parallel-perf-concurrent" parallel_perf_concurrent "Three calls at once";
    "parallel-channel-flow" parallel_channel_flow "A flow of what the calls answer, as it comes";
}

async fn get_user(id: u32) -> Result<String> {
    delay(Duration::from_millis(300)).await;
    Ok(format!("user {id}"))
}

async fn get_posts(id: u32) -> Result<Vec<String>> {
    delay(Duration::from_millis(500)).await;
    Ok(vec![
        format!("first post of {id}"),
        format!("second post of {id}"),
    ])
}

async fn get_comments(id: u32) -> Result<u32> {
    delay(Duration::from_millis(400)).await;
    Ok(id + 10)
}

async fn parallel_async_await(_: CoroutineScope) -> Result<()> {
    struct UserData {
        user: String,
        posts: Vec<String>,
        comments: u32,
    }

    async fn fetch_user_data(id: u32) -> Result<UserData> {
        coroutine_scope(async |scope| {
            let user = scope.spawn(get_user(id));
            let posts = scope.spawn(get_posts(id));
            let comments = scope.spawn(get_comments(id));
            Ok(UserData {
                user: user.await?,
                posts: posts.await?,
                comments: comments.await?,
            })
        })
        .await
    }

    let begin = Instant::now();
    let data = fetch_user_data(1).await?;
    println!(
        "{}, {} posts, {} comments",
        data.user,
        data.posts.len(),
        data.comments
    );
    println!("Completed in {} ms", begin.elapsed().as_millis());
    Ok(())
}

async fn parallel_await_all(_: CoroutineScope) -> Result<()> {
    /// The higher the number, the faster.
    async fn get_item(id: u64) -> Result<u64> {
        delay(Duration::from_millis(400 - 100 * id)).await;
        println!("item {id} is there");
        Ok(id)
    }

    async fn fetch_items(ids: &[u64]) -> Result<Vec<u64>> {
        coroutine_scope(async |scope| {
            let calls: Vec<_> = ids.iter().map(|&id| scope.spawn(get_item(id))).collect();
            await_all(calls).await
        })
        .await
    }

    println!("{:?}", fetch_items(&[1, 2, 3]).await?);
    Ok(())
}

/// A service that counts the calls that it is answering.
#[derive(Default)]
struct Service {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Service {
    async fn get_user(&self, id: u32) -> Result<u32> {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        delay(Duration::from_millis(100)).await;
        self.now.fetch_sub(1, Ordering::Relaxed);
        Ok(id)
    }

    fn report(&self, users: &[u32], begin: Instant) {
        println!(
            "{} users, in the order of their ids: {}",
            users.len(),
            users.is_sorted()
        );
        println!("At most {} at once", self.most.load(Ordering::Relaxed));
        println!("Completed in {} ms", begin.elapsed().as_millis());
    }
}

async fn parallel_throttle(_: CoroutineScope) -> Result<()> {
    async fn fetch_throttled(service: &Arc<Service>, ids: &[u32]) -> Result<Vec<u32>> {
        let permits = Arc::new(Semaphore::new(3));
        coroutine_scope(async |scope| {
            let calls = ids.iter().map(|&id| {
                let (service, permits) = (service.clone(), permits.clone());
                scope.spawn(async move { permits.with_permit(service.get_user(id)).await })
            });
            await_all(calls).await
        })
        .await
    }

    let (service, begin) = (Arc::new(Service::default()), Instant::now());
    let ids: Vec<u32> = (0..10).collect();
    let users = fetch_throttled(&service, &ids).await?;
    service.report(&users, begin);
    Ok(())
}

async fn parallel_throttle_manual(_: CoroutineScope) -> Result<()> {
    async fn fetch_throttled(service: &Arc<Service>, ids: &[u32]) -> Result<Vec<u32>> {
        let permits = Arc::new(Semaphore::new(3));
        coroutine_scope(async |scope| {
            let calls = ids.iter().map(|&id| {
                let (service, permits) = (service.clone(), permits.clone());
                scope.spawn(async move {
                    // Without its guard, a permit is given back by `release` only.
                    permits.acquire().await.forget();
                    let release = async { permits.release().expect("it was acquired") };
                    service.get_user(id).finally(release).await
                })
            });
            await_all(calls).await
        })
        .await
    }

    let (service, begin) = (Arc::new(Service::default()), Instant::now());
    let ids: Vec<u32> = (0..10).collect();
    let users = fetch_throttled(&service, &ids).await?;
    service.report(&users, begin);
    Ok(())
}

async fn parallel_batches(_: CoroutineScope) -> Result<()> {
    async fn get_user(id: u32) -> Result<u32> {
        delay(Duration::from_millis(100)).await;
        Ok(id)
    }

    async fn fetch_in_batches(ids: &[u32], size: usize) -> Result<Vec<u32>> {
        let mut users = Vec::new();
        for batch in ids.chunks(size) {
            let calls = coroutine_scope(async |scope| {
                await_all(batch.iter().map(|&id| scope.spawn(get_user(id)))).await
            });
            users.extend(calls.await?);
        }
        Ok(users)
    }

    let begin = Instant::now();
    let ids: Vec<u32> = (0..25).collect();
    let users = fetch_in_batches(&ids, 10).await?;
    println!(
        "{} users, in the order of their ids: {}",
        users.len(),
        users == ids
    );
    println!("Completed in {} ms", begin.elapsed().as_millis());
    Ok(())
}

async fn parallel_progress(_: CoroutineScope) -> Result<()> {
    async fn get_user(id: u32) -> Result<u32> {
        delay(Duration::from_millis(100)).await;
        Ok(id)
    }

    async fn fetch_with_progress(
        ids: &[u32],
        size: usize,
        mut on_progress: impl FnMut(usize, usize),
    ) -> Result<Vec<u32>> {
        let batches: Vec<_> = ids.chunks(size).collect();
        let mut users = Vec::new();
        for (i, batch) in batches.iter().enumerate() {
            let calls = coroutine_scope(async |scope| {
                await_all(batch.iter().map(|&id| scope.spawn(get_user(id)))).await
            });
            users.extend(calls.await?);
            on_progress(i + 1, batches.len());
        }
        Ok(users)
    }

    let ids: Vec<u32> = (0..25).collect();
    fetch_with_progress(&ids, 10, |done, all| println!("{done}/{all}")).await?;
    Ok(())
}

async fn parallel_product_details(_: CoroutineScope) -> Result<()> {
    #[derive(Clone)]
    struct Product {
        name: &'static str,
        seller: u32,
    }

    async fn get_product(exists: bool) -> Result<Product> {
        delay(Duration::from_millis(300)).await;
        if !exists {
            return Err(Error::msg("no such product"));
        }
        Ok(Product {
            name: "lamp",
            seller: 7,
        })
    }

    async fn get_seller(id: u32) -> Result<String> {
        delay(Duration::from_millis(200)).await;
        Ok(format!("seller {id}"))
    }

    async fn count_of(what: &'static str) -> Result<usize> {
        delay(Duration::from_millis(400)).await;
        Ok(what.len())
    }

    /// Whatever has failed, its caller is told so once, with the cause. A cancellation is nobody's failure, and comes as it is.
    async fn load_details(exists: bool) -> Result<String> {
        let details = coroutine_scope(async |scope| {
            let product = scope.spawn(get_product(exists));
            let reviews = scope.spawn(count_of("reviews"));
            let related = scope.spawn(count_of("related"));
            let available = scope.spawn(count_of("available"));
            // A deferred is awaited as often as one likes.
            let its = product.clone();
            let seller = scope.spawn(async move { get_seller(its.await?.seller).await });
            Ok(format!(
                "{} of {}, {} reviews, {} related, {} available",
                product.await?.name,
                seller.await?,
                reviews.await?,
                related.await?,
                available.await?
            ))
        });
        details
            .await
            .map_err(|error| match error.is_cancellation() {
                true => error,
                false => ProductLoadError(error.into_std()).into(),
            })
    }

    let begin = Instant::now();
    println!("{}", load_details(true).await?);
    println!("Completed in {} ms", begin.elapsed().as_millis());
    let begin = Instant::now();
    let error = load_details(false).await.unwrap_err().into_std();
    println!("{error}: {}", error.source().expect("a cause"));
    println!("Completed in {} ms", begin.elapsed().as_millis());
    Ok(())
}

#[derive(Debug)]
struct ProductLoadError(StdErrorOf);

impl std::fmt::Display for ProductLoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the details of the product could not be loaded")
    }
}

impl std::error::Error for ProductLoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

async fn call() -> Result<u32> {
    delay(Duration::from_secs(1)).await;
    Ok(14)
}

async fn parallel_dont_sequential_await(_: CoroutineScope) -> Result<()> {
    let begin = Instant::now();
    coroutine_scope(async |scope| {
        let a = scope.spawn(call()).await?;
        let b = scope.spawn(call()).await?;
        println!("{}", a + b);
        Ok(())
    })
    .await?;
    println!("Completed in {} ms", begin.elapsed().as_millis());
    Ok(())
}

async fn parallel_perf_sequential(_: CoroutineScope) -> Result<()> {
    let begin = Instant::now();
    println!("{}", call().await? + call().await? + call().await?);
    println!("Completed in {} ms", begin.elapsed().as_millis());
    Ok(())
}

async fn parallel_perf_concurrent(_: CoroutineScope) -> Result<()> {
    let begin = Instant::now();
    coroutine_scope(async |scope| {
        let (a, b, c) = (
            scope.spawn(call()),
            scope.spawn(call()),
            scope.spawn(call()),
        );
        println!("{}", a.await? + b.await? + c.await?);
        Ok(())
    })
    .await?;
    println!("Completed in {} ms", begin.elapsed().as_millis());
    Ok(())
}

async fn parallel_channel_flow(_: CoroutineScope) -> Result<()> {
    /// The higher the number, the faster; there is no user 3.
    async fn get_user(id: u64) -> Result<String> {
        delay(Duration::from_millis(500 - 100 * id)).await;
        if id == 3 {
            return Err(Error::msg("no such user"));
        }
        Ok(format!("user {id}"))
    }

    fn users(ids: Vec<u64>) -> impl Flow<Item = String> {
        channel_flow(async move |producer| {
            for id in ids {
                let users = producer.clone();
                producer.launch(async move {
                    match get_user(id).await {
                        Ok(user) => users.send(user).await?,
                        Err(error) => println!("user {id}: {error}"),
                    }
                    Ok(())
                });
            }
            Ok(())
        })
    }

    let begin = Instant::now();
    users(vec![1, 2, 3, 4])
        .for_each(|user| println!("{user}"))
        .await?;
    println!("Completed in {} ms", begin.elapsed().as_millis());
    Ok(())
}

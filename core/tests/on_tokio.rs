//! Where coroutines run when the root is entered from tokio, and what they see of tokio there (decisions 22, 23, 25).

mod support;

use corox_core::{
    CompletableJob, CoroutineContext, CoroutineScope, Dispatcher, GlobalScope, Result,
    SupervisorJob, coroutine_scope, delay, new_single_thread_context, run_blocking, with_context,
};
use std::time::Duration;
use support::checked;
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};

tokio::task_local! {
    static TENANT: &'static str;
}

fn multi_thread() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("host")
        .enable_all()
        .build()
        .expect("a runtime")
}

fn current_thread() -> Runtime {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

fn on_worker<T: Send + 'static>(root: impl Future<Output = Result<T>> + Send + 'static) -> T {
    let runtime = multi_thread();
    runtime
        .block_on(runtime.spawn(root))
        .expect("no panic")
        .expect("no failure")
}

fn thread_name() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

/// Decision 22: a root in a task of a multi-thread runtime has its children, and `DEFAULT`, on that runtime.
#[test]
fn children_of_a_root_on_a_multi_thread_runtime_run_on_its_workers() {
    checked(|| {
        on_worker(async {
            let host = Handle::current().id();
            coroutine_scope(async move |scope| {
                scope
                    .spawn(async move {
                        assert_eq!(Handle::current().id(), host);
                        assert_eq!(thread_name(), "host");
                        let named = with_context(Dispatcher::DEFAULT, async {
                            Ok((Handle::current().id(), thread_name()))
                        });
                        assert_eq!(named.await?, (host, "host".to_owned()));
                        Ok(())
                    })
                    .await
            })
            .await
        });
    });
}

/// Decision 22: on a current-thread runtime the children inherit that runtime; `DEFAULT` and `IO` are corox's own.
#[test]
fn children_of_a_root_on_a_current_thread_runtime_stay_there_and_default_is_the_own_pool() {
    checked(|| {
        current_thread().block_on(async {
            let host = Handle::current().id();
            let thread = std::thread::current().id();
            coroutine_scope(async move |scope| {
                scope
                    .spawn(async move {
                        assert_eq!(Handle::current().id(), host);
                        assert_eq!(std::thread::current().id(), thread);
                        for dispatcher in [Dispatcher::DEFAULT, Dispatcher::IO] {
                            let elsewhere = with_context(dispatcher, async {
                                Ok((Handle::current().runtime_flavor(), thread_name()))
                            });
                            let (flavor, name) = elsewhere.await?;
                            assert_eq!(flavor, RuntimeFlavor::MultiThread);
                            assert!(name.starts_with("corox-default-"), "{name}");
                        }
                        assert_eq!(std::thread::current().id(), thread);
                        Ok(())
                    })
                    .await
            })
            .await
            .expect("no failure");
        });
    });
}

/// Decision 23: a coroutine that belongs to nobody runs on corox's own pool, wherever it is launched.
#[test]
fn the_global_scope_is_on_the_own_pool_also_inside_a_host_runtime() {
    checked(|| {
        let name = on_worker(async { GlobalScope.spawn(async { Ok(thread_name()) }).await });
        assert!(name.starts_with("corox-default-"), "{name}");
    });
}

/// Decision 23: without tokio around, the body is where it is awaited, and what it launches is on corox's own pool.
#[test]
fn children_of_a_root_on_another_executor_run_on_the_own_pool() {
    checked(|| {
        let here = thread_name();
        let child = futures::executor::block_on(coroutine_scope(async |scope| {
            assert_eq!(thread_name(), here);
            scope.spawn(async { Ok(thread_name()) }).await
        }));
        let child = child.expect("no failure");
        assert!(child.starts_with("corox-default-"), "{child}");
    });
}

/// Decision 23: so does what is launched in a scope that belongs to no coroutine; one of a job in the tree stays with that.
#[test]
fn a_scope_of_its_own_is_on_the_own_pool_also_inside_a_host_runtime() {
    checked(|| {
        let (own, supervised, below, inherited) = on_worker(async {
            coroutine_scope(async |scope| {
                let own = CoroutineScope::new(CoroutineContext::empty());
                let supervisor = SupervisorJob::new();
                let supervised = CoroutineScope::new(supervisor.clone());
                let below = CoroutineScope::new(CompletableJob::child_of(&supervisor));
                let part = CompletableJob::child_of(scope.job());
                let inherited = CoroutineScope::new(part.clone());
                let names = (
                    own.spawn(async { Ok(thread_name()) }).await?,
                    supervised.spawn(async { Ok(thread_name()) }).await?,
                    below.spawn(async { Ok(thread_name()) }).await?,
                    inherited.spawn(async { Ok(thread_name()) }).await?,
                );
                part.complete();
                supervisor.cancel();
                Ok(names)
            })
            .await
        });
        for name in [own, supervised, below] {
            assert!(name.starts_with("corox-default-"), "{name}");
        }
        assert_eq!(inherited, "host");
    });
}

/// Decision 25: timers, sockets and `tokio::spawn` work in a coroutine as in any task.
#[test]
fn tokio_works_inside_coroutines() {
    async fn uses_tokio() -> Result<u8> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            stream.write_all(&[7]).await
        });
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        let mut byte = [0];
        let read = stream.read_exact(&mut byte);
        tokio::time::timeout(Duration::from_secs(10), read).await??;
        server.await??;
        Ok(byte[0])
    }
    checked(|| {
        let everywhere = async |scope: corox_core::CoroutineScope| {
            for dispatcher in [Dispatcher::DEFAULT, Dispatcher::IO] {
                assert_eq!(scope.with(dispatcher).spawn(uses_tokio()).await?, 7);
            }
            assert_eq!(scope.spawn(uses_tokio()).await?, 7);
            uses_tokio().await
        };
        assert_eq!(run_blocking(everywhere).expect("no failure"), 7);
        assert_eq!(on_worker(coroutine_scope(everywhere)), 7);
        let here = current_thread().block_on(coroutine_scope(everywhere));
        assert_eq!(here.expect("no failure"), 7);
    });
}

/// Decision 25: a `task_local!` around the root is not seen by what it launches; one inside a body is.
#[test]
fn a_task_local_reaches_inline_scopes_and_bodies_in_place_but_no_children() {
    checked(|| {
        on_worker(TENANT.scope(
            "outer",
            coroutine_scope(async |scope| {
                assert_eq!(TENANT.get(), "outer");
                let inline = coroutine_scope(async |_| Ok(TENANT.get()));
                assert_eq!(inline.await?, "outer");
                scope
                    .spawn(async {
                        assert!(TENANT.try_with(|_| ()).is_err());
                        let body = async {
                            delay(Duration::from_millis(1)).await;
                            TENANT.get()
                        };
                        assert_eq!(TENANT.scope("inner", body).await, "inner");
                        let seen = async { Ok(TENANT.try_with(|_| ()).is_ok()) };
                        let in_place = with_context(Dispatcher::DEFAULT, seen);
                        assert!(TENANT.scope("inner", in_place).await?);
                        let thread = new_single_thread_context("elsewhere");
                        let seen = async { Ok(TENANT.try_with(|_| ()).is_ok()) };
                        let elsewhere = with_context(&thread, seen);
                        assert!(!TENANT.scope("inner", elsewhere).await?);
                        Ok(())
                    })
                    .await
            }),
        ));
    });
}

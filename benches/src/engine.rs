//! What runs a program: corox's own threads, or a runtime of tokio's.

use std::cell::OnceCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::OnceLock;

use corox::{
    CoroutineScope, GlobalScope, Result, SchedulerConfig, WORKERS_VARIABLE, coroutine_scope,
    run_blocking,
};
use tokio::runtime::{Builder, Runtime};

/// How many threads a program has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Threads {
    /// [`workers`] of them. The root of the program runs on one, too.
    Workers,
    /// The thread that waits for the program.
    One,
}

impl Threads {
    /// Both kinds.
    pub const BOTH: [Threads; 2] = [Threads::Workers, Threads::One];

    /// How the names of cases end.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Threads::Workers => "_mt",
            Threads::One => "_st",
        }
    }
}

/// How many workers there are, of corox and of tokio alike: what [`WORKERS_VARIABLE`] says, or two.
///
/// The first call makes it the number of the process's own pool.
///
/// # Panics
///
/// If the variable is no number, or the pool is in use already.
pub fn workers() -> usize {
    static WORKERS: OnceLock<usize> = OnceLock::new();
    *WORKERS.get_or_init(|| {
        let workers = match std::env::var(WORKERS_VARIABLE) {
            Ok(text) => text.parse().expect("COROX_WORKERS is a number"),
            Err(_) => 2,
        };
        SchedulerConfig::new()
            .workers(workers)
            .apply()
            .expect("nothing has run yet");
        workers
    })
}

/// A runtime of tokio's, built at its first use.
#[derive(Debug)]
pub struct Tokio {
    threads: Threads,
    runtime: OnceCell<Runtime>,
}

impl Tokio {
    /// With so many threads.
    #[must_use]
    pub fn new(threads: Threads) -> Tokio {
        Tokio {
            threads,
            runtime: OnceCell::new(),
        }
    }

    /// Runs `root`: with workers, as a task of one of them.
    ///
    /// # Panics
    ///
    /// With the panic of `root`, or if the operating system refuses the threads.
    pub fn run<T: Send + 'static>(&self, root: impl Future<Output = T> + Send + 'static) -> T {
        let runtime = self.runtime.get_or_init(|| {
            let mut builder = match self.threads {
                Threads::Workers => Builder::new_multi_thread(),
                Threads::One => Builder::new_current_thread(),
            };
            let builder = builder.worker_threads(workers()).enable_all();
            builder.build().expect("a runtime for the benches")
        });
        match self.threads {
            Threads::Workers => runtime
                .block_on(runtime.spawn(root))
                .expect("the root does not panic"),
            Threads::One => runtime.block_on(root),
        }
    }
}

/// Where corox has its coroutines.
#[derive(Clone, Debug)]
pub enum Corox {
    /// On the process's own pool, or on the event loop of `run_blocking`.
    Own(Threads),
    /// On a runtime of tokio's.
    OnTokio(Rc<Tokio>),
}

impl Corox {
    /// Runs `root` in a scope.
    ///
    /// # Panics
    ///
    /// If `root` fails.
    pub fn run<T, F, Fut>(&self, root: F) -> T
    where
        F: FnOnce(CoroutineScope) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        workers();
        let result = match self {
            Corox::Own(Threads::Workers) => {
                let done = GlobalScope.spawn(in_scope(root));
                run_blocking(async |_| done.await)
            }
            Corox::Own(Threads::One) => run_blocking(async |scope| root(scope).await),
            Corox::OnTokio(tokio) => tokio.run(in_scope(root)),
        };
        result.expect("no failure")
    }
}

async fn in_scope<T, F, Fut>(root: F) -> Result<T>
where
    F: FnOnce(CoroutineScope) -> Fut,
    Fut: Future<Output = Result<T>>,
{
    coroutine_scope(async |scope| root(scope).await).await
}

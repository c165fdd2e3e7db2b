//! One program for corox and for tokio.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use corox::{CoroutineScope, coroutine_scope};
use tokio_util::task::TaskTracker;

use crate::{Corox, StopWatch, Threads, Tokio};

/// What a program has its tasks from: a scope, or a tracker.
pub trait Tasks: Clone + Send + Sync + 'static {
    /// Starts a task, which the end of the program waits for.
    fn start_task(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Lets others have their turn.
    fn yield_now() -> impl Future<Output = ()> + Send;

    /// Waits.
    fn sleep(time: Duration) -> impl Future<Output = ()> + Send;
}

impl Tasks for CoroutineScope {
    fn start_task(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.launch(task);
    }

    async fn yield_now() {
        corox::yield_now().await;
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + Send {
        corox::delay(time)
    }
}

impl Tasks for TaskTracker {
    fn start_task(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn(task);
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        tokio::task::yield_now()
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(time)
    }
}

/// A program that runs on either.
pub trait Program: Send + 'static {
    /// Its root. The program ends when this and all tasks have.
    fn run(self, tasks: impl Tasks) -> impl Future<Output = ()> + Send;
}

/// What runs a [`Program`].
#[derive(Clone, Debug)]
pub enum Engine {
    /// tokio's tasks.
    Tokio(Rc<Tokio>),
    /// Coroutines.
    Corox(Corox),
}

impl Engine {
    /// tokio, as it is.
    #[must_use]
    pub fn tokio(threads: Threads) -> Engine {
        Engine::Tokio(Rc::new(Tokio::new(threads)))
    }

    /// corox on threads of its own.
    #[must_use]
    pub fn corox(threads: Threads) -> Engine {
        Engine::Corox(Corox::Own(threads))
    }

    /// corox on a runtime of tokio's, which has nothing else to do.
    #[must_use]
    pub fn corox_on_tokio(threads: Threads) -> Engine {
        Engine::Corox(Corox::OnTokio(Rc::new(Tokio::new(threads))))
    }

    /// Runs `program`; `watch` takes the time from the beginning of its root to its end, unless it says otherwise.
    pub fn run(&self, watch: &StopWatch, program: impl Program) {
        match self {
            Engine::Tokio(tokio) => on_tokio(tokio, watch, program),
            Engine::Corox(corox) => on_corox(corox, watch, program),
        }
    }
}

pub(crate) fn on_tokio(tokio: &Tokio, watch: &StopWatch, program: impl Program) {
    let watch = watch.clone();
    tokio.run(async move {
        let tracker = TaskTracker::new();
        watch.start();
        program.run(tracker.clone()).await;
        tracker.close();
        tracker.wait().await;
        watch.stop();
    });
}

pub(crate) fn on_corox(corox: &Corox, watch: &StopWatch, program: impl Program) {
    let watch = watch.clone();
    corox.run(|_| async move {
        watch.start();
        in_scope(program).await?;
        watch.stop();
        Ok(())
    });
}

async fn in_scope(program: impl Program) -> corox::Result<()> {
    coroutine_scope(async |scope| {
        program.run(scope).await;
        Ok(())
    })
    .await
}

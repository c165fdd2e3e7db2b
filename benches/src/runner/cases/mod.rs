//! The cases, under the names that all runners share.

mod cancel;
mod delay;
mod launch;
mod memory;
mod switch;

use std::cell::OnceCell;
use std::future::Future;
use std::rc::Rc;

use corox::{CoroutineScope, Error, GlobalScope, Result, coroutine_scope, run_blocking};
use corox_bench::{on_worker, runtime};

use crate::measure::{Case, Quantity, StopWatch};

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Cases(Vec::new());
    launch::register(&mut cases);
    cancel::register(&mut cases);
    switch::register(&mut cases);
    delay::register(&mut cases);
    memory::register(&mut cases);
    cases.0
}

pub(crate) struct Cases(Vec<Case>);

impl Cases {
    fn add(
        &mut self,
        name: String,
        variant: &'static str,
        operations: u64,
        repetition: impl Fn(&StopWatch) + 'static,
    ) -> &mut Case {
        self.0.push(Case {
            name,
            variant,
            operations,
            of: Quantity::WallTime,
            repetition: Box::new(repetition),
        });
        self.0.last_mut().expect("one was added")
    }

    /// With two workers, the root on one of them: `corox` on corox's own pool, `corox-on-tokio` in a task of a tokio runtime.
    fn workers<F, Fut>(&mut self, name: &str, of: Quantity, operations: u64, body: F)
    where
        F: Fn(CoroutineScope, StopWatch) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        let root = body;
        self.add(name.to_owned(), "corox", operations, move |watch| {
            let watch = watch.clone();
            let done = GlobalScope.spawn(timed(root, watch));
            run_blocking(async |_| done.await).expect("no failure");
        })
        .of = of;
        let rt = Rc::new(OnceCell::new());
        self.add(
            name.to_owned(),
            "corox-on-tokio",
            operations,
            move |watch| {
                let rt = rt.get_or_init(|| runtime(true));
                on_worker(rt, timed(body, watch.clone())).expect("no failure");
            },
        )
        .of = of;
    }

    /// On one thread: `corox` on the event loop of `run_blocking`, `corox-on-tokio` on a current-thread runtime of tokio.
    fn one_thread<F, Fut>(&mut self, name: &str, of: Quantity, operations: u64, body: F)
    where
        F: Fn(CoroutineScope, StopWatch) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        let root = body;
        self.add(name.to_owned(), "corox", operations, move |watch| {
            run_blocking(async |scope| {
                watch.start();
                root(scope, watch.clone()).await?;
                watch.stop();
                Ok(())
            })
            .expect("no failure");
        })
        .of = of;
        let rt = Rc::new(OnceCell::new());
        self.add(
            name.to_owned(),
            "corox-on-tokio",
            operations,
            move |watch| {
                let rt: &tokio::runtime::Runtime = rt.get_or_init(|| runtime(false));
                rt.block_on(timed(body, watch.clone())).expect("no failure");
            },
        )
        .of = of;
    }

    /// Both.
    fn both<F, Fut>(&mut self, name: &str, of: Quantity, operations: u64, body: F)
    where
        F: Fn(CoroutineScope, StopWatch) -> Fut + Copy + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.workers(&format!("{name}_mt"), of, operations, body);
        self.one_thread(&format!("{name}_st"), of, operations, body);
    }
}

/// `body` in a scope, timed from within.
async fn timed<F, Fut>(body: F, watch: StopWatch) -> Result<(), Error>
where
    F: Fn(CoroutineScope, StopWatch) -> Fut,
    Fut: Future<Output = Result<()>>,
{
    coroutine_scope(async |scope| {
        watch.start();
        body(scope, watch.clone()).await?;
        watch.stop();
        Ok(())
    })
    .await
}

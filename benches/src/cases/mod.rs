//! Small programs, each under one name for corox, for tokio, and for runners in other languages.
//!
//! The variants of corox are `corox` and `corox-on-tokio`, with coroutines on threads of corox's own and on a runtime of tokio's. Those of
//! tokio, the peers, do the same with its tasks alone, or with what is put together from `JoinSet`, `TaskTracker` and `CancellationToken` to
//! have a scope.

mod async_await_chain;
mod cancel_tree;
mod children;
mod ctx_switch;
mod delay_many;
mod launch_join;
mod memory;
mod scope_nested;
mod yield_pingpong;

use std::fmt;
use std::future::Future;
use std::rc::Rc;

use corox::{CoroutineScope, Result};

use crate::{Corox, StopWatch, Threads, Tokio};

/// One measurement.
pub struct Case {
    /// What is done.
    pub name: String,
    /// By whom.
    pub variant: &'static str,
    /// Not corox.
    pub peer: bool,
    /// How many operations a repetition has.
    pub operations: u64,
    /// What is measured.
    pub of: Quantity,
    repetition: Box<dyn Fn(&StopWatch)>,
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quantity {
    /// [`Taken::wall`](crate::Taken::wall).
    WallTime,
    /// [`Taken::processor`](crate::Taken::processor).
    ProcessorTime,
    /// [`Taken::bytes`](crate::Taken::bytes). Once in a process, which gives little memory back.
    Memory,
}

impl Case {
    /// Its name and its variant.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.name, self.variant)
    }

    /// Does it once; then `watch` has what it took.
    pub fn repeat(&self, watch: &StopWatch) {
        (self.repetition)(watch);
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key())
    }
}

/// All of them, those of the same name one after the other.
#[must_use]
pub fn all() -> Vec<Case> {
    let mut cases = Cases::default();
    launch_join::register(&mut cases);
    async_await_chain::register(&mut cases);
    scope_nested::register(&mut cases);
    cancel_tree::register(&mut cases);
    yield_pingpong::register(&mut cases);
    ctx_switch::register(&mut cases);
    delay_many::register(&mut cases);
    memory::register(&mut cases);
    cases.list
}

/// The list that grows, and what its cases run on.
struct Cases {
    list: Vec<Case>,
    workers: Engines,
    one_thread: Engines,
}

struct Engines {
    corox: [(&'static str, Corox); 2],
    /// Without a coroutine on it.
    tokio: Rc<Tokio>,
}

impl Engines {
    fn new(threads: Threads) -> Engines {
        let for_corox = Rc::new(Tokio::new(threads));
        Engines {
            corox: [
                ("corox", Corox::Own(threads)),
                ("corox-on-tokio", Corox::OnTokio(for_corox)),
            ],
            tokio: Rc::new(Tokio::new(threads)),
        }
    }
}

impl Default for Cases {
    fn default() -> Self {
        Cases {
            list: Vec::new(),
            workers: Engines::new(Threads::Workers),
            one_thread: Engines::new(Threads::One),
        }
    }
}

impl Cases {
    /// The variants of one case.
    fn case(&mut self, name: &str, threads: Threads, operations: u64) -> Variants<'_> {
        Variants {
            list: &mut self.list,
            engines: match threads {
                Threads::Workers => &self.workers,
                Threads::One => &self.one_thread,
            },
            name: name.to_owned(),
            operations,
            of: Quantity::WallTime,
        }
    }

    /// `name_mt` and `name_st`.
    fn both(&mut self, name: &str, operations: u64, mut register: impl FnMut(Variants<'_>)) {
        for threads in Threads::BOTH {
            let name = format!("{name}{}", threads.suffix());
            register(self.case(&name, threads, operations));
        }
    }
}

struct Variants<'a> {
    list: &'a mut Vec<Case>,
    engines: &'a Engines,
    name: String,
    operations: u64,
    of: Quantity,
}

impl Variants<'_> {
    fn of(mut self, quantity: Quantity) -> Self {
        self.of = quantity;
        self
    }

    /// Both variants of corox: `body` in a scope.
    fn corox<F, Fut>(&mut self, body: F)
    where
        F: Fn(CoroutineScope, StopWatch) -> Fut + Copy + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        for (variant, engine) in &self.engines.corox {
            let (engine, operations) = (engine.clone(), self.operations);
            let repetition = move |watch: &StopWatch| {
                let watch = watch.clone();
                engine.run(move |scope| async move {
                    watch.start();
                    body(scope, watch.clone()).await?;
                    watch.stop();
                    Ok(())
                });
            };
            self.add(variant, false, operations, Box::new(repetition));
        }
    }

    /// A variant of tokio's: `body` in a task, or in `block_on`.
    fn tokio<F, Fut>(&mut self, variant: &'static str, body: F)
    where
        F: Fn(StopWatch) -> Fut + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.tokio_with(variant, self.operations, body);
    }

    /// One that has another number of operations.
    fn tokio_with<F, Fut>(&mut self, variant: &'static str, operations: u64, body: F)
    where
        F: Fn(StopWatch) -> Fut + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let engine = self.engines.tokio.clone();
        let repetition = move |watch: &StopWatch| {
            let (watch, body) = (watch.clone(), body(watch.clone()));
            engine.run(async move {
                watch.start();
                body.await;
                watch.stop();
            });
        };
        self.add(variant, true, operations, Box::new(repetition));
    }

    fn add(
        &mut self,
        variant: &'static str,
        peer: bool,
        operations: u64,
        repetition: Box<dyn Fn(&StopWatch)>,
    ) {
        self.list.push(Case {
            name: self.name.clone(),
            variant,
            peer,
            operations,
            of: self.of,
            repetition,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Quantity, all};
    use crate::StopWatch;

    #[test]
    fn each_case_has_corox_and_a_peer_under_keys_of_their_own() {
        let cases = all();
        let keys: HashSet<_> = cases.iter().map(|case| case.key()).collect();
        assert_eq!(keys.len(), cases.len());
        for case in &cases {
            let same = || cases.iter().filter(|other| other.name == case.name);
            assert!(same().any(|other| other.variant == "corox"), "{case:?}");
            assert!(same().any(|other| other.peer), "{case:?}");
            assert_eq!(case.peer, !case.variant.starts_with("corox"), "{case:?}");
        }
    }

    /// Of the wall time there is always some.
    #[test]
    fn a_repetition_tells_what_it_took() {
        let cases = all();
        let quick = |case: &&super::Case| case.name == "ctx_switch_thread";
        let mut any = false;
        for case in cases.iter().filter(quick) {
            any = true;
            let watch = StopWatch::default();
            case.repeat(&watch);
            assert!(case.of == Quantity::WallTime && !watch.take().wall.is_zero());
        }
        assert!(any);
    }
}

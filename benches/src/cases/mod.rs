//! Small programs, each under one name for corox, for tokio, and for runners in other languages.
//!
//! - `launch_join`, `async_await_chain`, `scope_nested`, `cancel_tree`, `yield_pingpong`, `ctx_switch`, `delay_many`: coroutines.
//! - `channels`, `select`, `actors`: elements between them.
//! - `mutex`, `semaphore`: one after the other, or a few at a time.
//! - `flows`: values one after another, through operators.
//! - `memory`: suspended ones.
//!
//! The variants of corox are `corox` and `corox-on-tokio`, with coroutines on threads of corox's own and on a runtime of tokio's. Those of
//! tokio, the peers, do the same with its tasks alone, or with what is put together from `JoinSet`, `TaskTracker` and `CancellationToken` to
//! have a scope.

mod actors;
mod async_await_chain;
mod cancel_tree;
mod channels;
mod children;
mod ctx_switch;
mod delay_many;
mod flows;
mod launch_join;
mod memory;
mod mutex;
mod scope_nested;
mod select;
mod semaphore;
mod yield_pingpong;

use std::fmt;
use std::future::Future;
use std::rc::Rc;

use corox::{CoroutineScope, Result};

use crate::program::{on_corox, on_tokio};
use crate::{Corox, Program, StopWatch, Threads, Tokio};

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

/// How much a repetition does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Size {
    /// As much as runners in other languages do.
    Whole,
    /// Of the cases whose repetitions are long, a fortieth.
    Small,
}

/// All of them, those of the same name one after the other.
#[must_use]
pub fn all(size: Size) -> Vec<Case> {
    let mut cases = Cases {
        list: Vec::new(),
        size,
        workers: Engines::new(Threads::Workers),
        one_thread: Engines::new(Threads::One),
    };
    launch_join::register(&mut cases);
    async_await_chain::register(&mut cases);
    scope_nested::register(&mut cases);
    cancel_tree::register(&mut cases);
    yield_pingpong::register(&mut cases);
    ctx_switch::register(&mut cases);
    delay_many::register(&mut cases);
    channels::register(&mut cases);
    select::register(&mut cases);
    actors::register(&mut cases);
    mutex::register(&mut cases);
    semaphore::register(&mut cases);
    flows::register(&mut cases);
    memory::register(&mut cases);
    cases.list
}

/// The list that grows, and what its cases run on.
struct Cases {
    list: Vec<Case>,
    size: Size,
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

/// Whose program it is. A type for each, so that what is written for one is not compiled for the others.
trait By: Copy + 'static {
    type Engine: 'static;
    const IS_PEER: bool;

    /// The variants, and what each runs on.
    fn variants(self, engines: &Engines) -> Vec<(&'static str, Self::Engine)>;

    fn run(engine: &Self::Engine, watch: &StopWatch, program: impl Program);
}

/// Both variants of corox.
#[derive(Clone, Copy)]
struct ByCorox;

impl By for ByCorox {
    type Engine = Corox;
    const IS_PEER: bool = false;

    fn variants(self, engines: &Engines) -> Vec<(&'static str, Corox)> {
        engines.corox.to_vec()
    }

    fn run(engine: &Corox, watch: &StopWatch, program: impl Program) {
        on_corox(engine, watch, program);
    }
}

/// Another one of corox, on its own threads.
#[derive(Clone, Copy)]
struct ByCoroxAs(&'static str);

impl By for ByCoroxAs {
    type Engine = Corox;
    const IS_PEER: bool = false;

    fn variants(self, engines: &Engines) -> Vec<(&'static str, Corox)> {
        let (_, own) = &engines.corox[0];
        vec![(self.0, own.clone())]
    }

    fn run(engine: &Corox, watch: &StopWatch, program: impl Program) {
        on_corox(engine, watch, program);
    }
}

/// A peer, on tokio's tasks.
#[derive(Clone, Copy)]
struct Peer(&'static str);

impl By for Peer {
    type Engine = Rc<Tokio>;
    const IS_PEER: bool = true;

    fn variants(self, engines: &Engines) -> Vec<(&'static str, Rc<Tokio>)> {
        vec![(self.0, engines.tokio.clone())]
    }

    fn run(engine: &Rc<Tokio>, watch: &StopWatch, program: impl Program) {
        on_tokio(engine, watch, program);
    }
}

impl Cases {
    /// How many operations there are of what takes `whole` in other languages.
    fn scaled(&self, whole: u64) -> u64 {
        match self.size {
            Size::Whole => whole,
            Size::Small => whole / 40,
        }
    }

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

/// Runs what `body` gives in a scope.
fn in_a_scope<F, Fut>(engine: Corox, body: F) -> Box<dyn Fn(&StopWatch)>
where
    F: Fn(CoroutineScope, StopWatch) -> Fut + Copy + Send + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    Box::new(move |watch| {
        let watch = watch.clone();
        engine.run(move |scope| async move {
            watch.start();
            body(scope, watch.clone()).await?;
            watch.stop();
            Ok(())
        });
    })
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
            let repetition = in_a_scope(engine.clone(), body);
            self.add(variant, false, self.operations, repetition);
        }
    }

    /// Another way to write it with corox.
    fn corox_too<F, Fut>(&mut self, variant: &'static str, body: F)
    where
        F: Fn(CoroutineScope, StopWatch) -> Fut + Copy + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        let (_, engine) = &self.engines.corox[0];
        let repetition = in_a_scope(engine.clone(), body);
        self.add(variant, false, self.operations, repetition);
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

    /// The program that is made for each repetition; with it, what checks afterwards what it has done.
    fn programs<B: By, P: Program, C: FnOnce()>(
        &mut self,
        by: B,
        make: impl Fn() -> (P, C) + Clone + 'static,
    ) {
        for (variant, engine) in by.variants(self.engines) {
            let make = make.clone();
            let repetition = move |watch: &StopWatch| {
                let (program, check) = make();
                B::run(&engine, watch, program);
                check();
            };
            self.add(variant, B::IS_PEER, self.operations, Box::new(repetition));
        }
    }

    /// What this thread does, without coroutines.
    fn thread(&mut self, variant: &'static str, body: impl Fn() + 'static) {
        let repetition = move |watch: &StopWatch| {
            watch.start();
            body();
            watch.stop();
        };
        let peer = variant != "corox";
        self.add(variant, peer, self.operations, Box::new(repetition));
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

    use super::{Quantity, Size, all};
    use crate::StopWatch;

    #[test]
    fn each_case_has_corox_and_a_peer_under_keys_of_their_own() {
        let cases = all(Size::Whole);
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
        let cases = all(Size::Whole);
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

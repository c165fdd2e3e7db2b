//! [`Dispatcher`]: where tasks run.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Weak};

use tokio::runtime::Handle;

use crate::event_loop::{self, EventLoop};
use crate::here::Here;
use crate::pool::OnClose;
use crate::pool::{self, Pool};
use crate::view::View;
use crate::{Dispatch, Home, Rejected, Task, Wakeup, main_slot, unconfined};

/// Where tasks run: a handle, cheap to clone. Two are equal if they name the same place.
///
/// Kotlin: `CoroutineDispatcher`, with `Dispatchers.Default`, `.IO` and `.Unconfined`.
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatcher, Home};
///
/// assert_eq!(format!("{:?}", Dispatcher::IO), "Dispatchers.IO");
/// let io = Dispatcher::IO.resolve(&Home::own());
/// assert!(io.is_io() && !io.runs_here());
/// assert!(io.is_dispatch_needed() && !io.is_local() && !io.is_custom());
///
/// let in_place = Dispatcher::UNCONFINED;
/// assert!(in_place.is_unconfined() && in_place.runs_in_place() && !in_place.is_dispatch_needed());
/// ```
#[derive(Clone)]
#[doc(alias = "Dispatchers")]
#[doc(alias = "CoroutineDispatcher")]
pub struct Dispatcher {
    pub(crate) kind: Kind,
}

#[derive(Clone)]
pub(crate) enum Kind {
    Default,
    Io,
    Unconfined,
    Pool(Arc<Pool>),
    PoolIo(Arc<Pool>),
    Loop(Arc<EventLoop>),
    View(Arc<View>),
    Main,
    /// In place, if this is a thread of the base.
    Immediate(Arc<Dispatcher>),
    Custom(Arc<dyn Dispatch>),
}

impl From<Kind> for Dispatcher {
    fn from(kind: Kind) -> Dispatcher {
        Dispatcher { kind }
    }
}

impl Dispatcher {
    /// The dispatcher for computations: as many tasks at a time as its runtime has workers.
    ///
    /// A task that **blocks its thread**, by `std::thread::sleep`, a synchronous client or a `std` lock that is held elsewhere,
    /// keeps a worker from all other tasks. With as many of them as workers nothing else of that runtime runs, timers and
    /// sockets included, until one returns; and nothing tells. Calls that block belong on [`IO`](Dispatcher::IO). (Those inside
    /// tokio's `block_in_place` and [`block_on`](crate::block_on) do no harm: the worker's duty goes to another thread
    /// meanwhile.)
    ///
    /// A name that [`resolve`](Dispatcher::resolve) turns into the pool of a [`Home`]; unresolved it stands for the process's own.
    ///
    /// Kotlin: `Dispatchers.Default`.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Dispatcher, Task, Wakeup};
    /// use std::sync::mpsc;
    /// use std::thread;
    ///
    /// let (tx, rx) = mpsc::channel();
    /// let task = Task::new(async move { tx.send(thread::current().name().map(str::to_owned)).unwrap() }, |_, _| {});
    /// Dispatcher::DEFAULT.dispatch(task, Wakeup::Launch).unwrap();
    /// assert!(rx.recv().unwrap().unwrap().starts_with("corox-default-"));
    /// ```
    #[doc(alias = "Dispatchers.Default")]
    pub const DEFAULT: Dispatcher = Dispatcher {
        kind: Kind::Default,
    };

    /// The dispatcher for blocking calls: at most `max(64, cores)` at a time, on threads beyond the workers'. More wait in order.
    ///
    /// A name that [`resolve`](Dispatcher::resolve) turns into the IO of a [`Home`]; unresolved it stands for the process's own.
    ///
    /// Kotlin: `Dispatchers.IO`.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Dispatcher, Task, Wakeup};
    /// use std::sync::mpsc;
    ///
    /// let (tx, rx) = mpsc::channel();
    /// let blocks = async move { tx.send((Dispatcher::IO.runs_here(), std::fs::read_to_string("Cargo.toml"))).unwrap() };
    /// Dispatcher::IO.dispatch(Task::new(blocks, |_, _| {}), Wakeup::Launch).unwrap();
    /// let (on_io, text) = rx.recv().unwrap();
    /// assert!(on_io && text.unwrap().contains("corox"));
    /// ```
    #[doc(alias = "Dispatchers.IO")]
    pub const IO: Dispatcher = Dispatcher { kind: Kind::Io };

    /// The dispatcher that runs a task on the thread that wakes it, in place.
    ///
    /// A task woken while another unconfined one runs on that thread runs after it, in order, so that the stack stays flat.
    /// After a [`Sleep`](crate::Sleep) on an event loop that is a thread of the process's own runtime.
    ///
    /// Kotlin: `Dispatchers.Unconfined`.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Dispatcher, Task, Wakeup};
    /// use std::sync::mpsc;
    ///
    /// let (tx, rx) = mpsc::channel();
    /// let task = Task::new(async move { tx.send(std::thread::current().id()).unwrap() }, |_, _| {});
    /// Dispatcher::UNCONFINED.dispatch(task, Wakeup::Launch).unwrap();
    /// assert_eq!(rx.try_recv(), Ok(std::thread::current().id()));
    /// ```
    #[doc(alias = "Dispatchers.Unconfined")]
    pub const UNCONFINED: Dispatcher = Dispatcher {
        kind: Kind::Unconfined,
    };

    /// The dispatcher that runs tasks on a tokio runtime: on the workers of a multi-thread one, in strict order on the thread of a current-thread one.
    ///
    /// A current-thread runtime runs them while something calls its `block_on`. The drainers are started by the first call
    /// for a runtime; when the runtime shuts down, the dispatcher rejects tasks.
    ///
    /// Kotlin: `Executor.asCoroutineDispatcher()`.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Dispatcher, Task, Wakeup};
    ///
    /// let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// let dispatcher = Dispatcher::tokio(runtime.handle().clone());
    /// let (tx, rx) = tokio::sync::oneshot::channel();
    /// let task = Task::new(async { tx.send(tokio::runtime::Handle::current().id()).unwrap() }, |_, _| {});
    /// dispatcher.dispatch(task, Wakeup::Launch).unwrap();
    /// assert_eq!(runtime.block_on(rx).ok(), dispatcher.runtime_id());
    /// ```
    #[doc(alias = "asCoroutineDispatcher")]
    pub fn tokio(handle: Handle) -> Dispatcher {
        Kind::Pool(pool::of(&handle)).into()
    }

    /// A dispatcher of your own. Each call makes one that equals only its clones.
    ///
    /// Kotlin: a subclass of `CoroutineDispatcher`.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Dispatch, Dispatcher, Rejected, Task};
    ///
    /// struct Closed;
    /// impl Dispatch for Closed {
    ///     fn dispatch(&self, task: Task) -> Result<(), Rejected> {
    ///         Err(Rejected::new(task, "closed"))
    ///     }
    /// }
    ///
    /// let closed = Dispatcher::new(Closed);
    /// assert_eq!(closed.clone(), closed);
    /// assert_ne!(Dispatcher::new(Closed), closed);
    /// ```
    pub fn new(dispatch: impl Dispatch) -> Dispatcher {
        Kind::Custom(Arc::new(dispatch)).into()
    }

    /// A dispatcher that runs at most `n` tasks at a time on this one, in the order in which they come.
    ///
    /// It has no threads of its own: on [`DEFAULT`](Dispatcher::DEFAULT) and other pools it takes from their workers. A view
    /// on [`IO`](Dispatcher::IO) is the exception: it does not count against IO's cap, and is not held up when that is
    /// reached. (A runtime of yours has a cap of its own on blocking threads, tokio's `max_blocking_threads`.)
    ///
    /// With `n` = 1 the tasks run one after the other, each seeing what those before it did: a lock without a lock. A worker
    /// goes behind the others of the pool after 16 tasks, so views on one pool share it.
    ///
    /// The limit holds for all who use the view: make it once, in a `static` for example, and use it from whatever runtime;
    /// made of `DEFAULT` or `IO`, each task runs on those of its own tree. A view that would not limit is the dispatcher
    /// itself: on an event loop, on a pool with no more than `n` workers, on a view of at most `n`.
    ///
    /// Kotlin: `CoroutineDispatcher.limitedParallelism(n)`.
    ///
    /// # Panics
    /// If `n` is 0, and on [`UNCONFINED`](Dispatcher::UNCONFINED), which has no queue.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::Dispatcher;
    /// use std::sync::LazyLock;
    ///
    /// static DATABASE: LazyLock<Dispatcher> = LazyLock::new(|| Dispatcher::IO.limited_parallelism(10));
    /// assert_eq!(format!("{:?}", *DATABASE), "Dispatchers.IO.limited_parallelism(10)");
    /// assert_eq!(DATABASE.limited_parallelism(20), *DATABASE);
    /// ```
    #[must_use]
    #[track_caller]
    #[doc(alias = "limitedParallelism")]
    pub fn limited_parallelism(&self, n: usize) -> Dispatcher {
        self.limited(n, None)
    }

    /// As [`limited_parallelism`](Dispatcher::limited_parallelism), with a name for `Debug`.
    ///
    /// Kotlin: `CoroutineDispatcher.limitedParallelism(n, name)`.
    ///
    /// # Panics
    /// As there.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::Dispatcher;
    ///
    /// let disk = Dispatcher::IO.limited_parallelism_named(4, "disk");
    /// assert_eq!(format!("{disk:?}"), "disk");
    /// ```
    #[must_use]
    #[track_caller]
    #[doc(alias = "limitedParallelism")]
    pub fn limited_parallelism_named(&self, n: usize, name: impl Into<Arc<str>>) -> Dispatcher {
        self.limited(n, Some(name.into()))
    }

    /// This dispatcher, without a dispatch for coroutines that are on its thread already.
    ///
    /// Coroutines that are started or resumed there run in place, up to their next suspension. One that is started while
    /// another such one runs there runs after it, in order, so that the stack stays flat. From other threads, and to give
    /// way, they are dispatched.
    ///
    /// It means something for [`MAIN`](Dispatcher::MAIN), event loops and custom dispatchers; any other is itself.
    ///
    /// Kotlin: `MainCoroutineDispatcher.immediate`.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::Dispatcher;
    ///
    /// assert_eq!(format!("{:?}", Dispatcher::MAIN.immediate()), "Dispatchers.Main.immediate");
    /// assert_eq!(Dispatcher::DEFAULT.immediate(), Dispatcher::DEFAULT);
    /// ```
    #[must_use]
    #[doc(alias = "MainCoroutineDispatcher")]
    pub fn immediate(&self) -> Dispatcher {
        match self.kind {
            Kind::Custom(ref custom) if !custom.has_immediate() => self.clone(),
            Kind::Main | Kind::Loop(_) | Kind::Custom(_) => {
                Kind::Immediate(Arc::new(self.clone())).into()
            }
            _ => self.clone(),
        }
    }

    /// Whether this thread is that of the dispatcher, for [`immediate`](Dispatcher::immediate).
    fn is_current_thread(&self) -> bool {
        match &self.kind {
            Kind::Main => main_slot::current().is_some_and(|main| main.is_current_thread()),
            Kind::Loop(events) => event_loop::current(None).is_some_and(
                |here| matches!(&here.kind, Kind::Loop(here) if Arc::ptr_eq(here, events)),
            ),
            Kind::Custom(custom) => custom.is_current_thread() || self.runs_here(),
            Kind::Immediate(base) => base.is_current_thread(),
            _ => self.runs_here(),
        }
    }

    #[track_caller]
    fn limited(&self, n: usize, name: Option<Arc<str>>) -> Dispatcher {
        assert!(
            n > 0,
            "a view needs at least one task at a time: limited_parallelism(0) would never run anything"
        );
        assert!(
            !self.is_unconfined(),
            "the unconfined dispatcher runs tasks where they are woken and cannot limit them; use DEFAULT.limited_parallelism({n})"
        );
        if self.is_at_most(n) {
            return self.clone();
        }
        Kind::View(View::over(self, n, name)).into()
    }

    /// Whether this is known to run no more than `n` tasks at a time.
    pub(crate) fn is_at_most(&self, n: usize) -> bool {
        match &self.kind {
            Kind::Pool(pool) => pool.workers() <= n,
            // One thread.
            Kind::Loop(_) | Kind::Main => true,
            Kind::Immediate(base) => base.is_at_most(n),
            Kind::View(view) => view.limit() <= n,
            // A name, which may come to stand for any pool.
            Kind::Default | Kind::Io | Kind::PoolIo(_) | Kind::Unconfined | Kind::Custom(_) => {
                false
            }
        }
    }

    /// What [`DEFAULT`](Dispatcher::DEFAULT) and [`IO`](Dispatcher::IO) stand for in `home`; views of
    /// them on what they stand for; every other dispatcher unchanged.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Dispatcher, Home};
    ///
    /// let pool = Dispatcher::DEFAULT.resolve(&Home::own());
    /// assert!(pool.runtime_id().is_some() && Dispatcher::DEFAULT.runtime_id().is_none());
    /// assert_eq!(pool.resolve(&Home::own()), pool);
    /// ```
    pub fn resolve(&self, home: &Home) -> Dispatcher {
        match self.kind {
            Kind::Default => Kind::Pool(home.pool().clone()).into(),
            Kind::Io => Kind::PoolIo(home.pool().clone()).into(),
            Kind::Main => match home.main() {
                Some(main) => main.resolve(home),
                None => self.clone(),
            },
            Kind::Immediate(ref base) => base.resolve(home).immediate(),
            Kind::View(ref view) => match view.resolve(home) {
                Some(view) => Kind::View(view).into(),
                None => view.base().resolve(home),
            },
            _ => self.clone(),
        }
    }

    /// Hands over `task` to be run; [`UNCONFINED`](Dispatcher::UNCONFINED) may run it before this returns.
    ///
    /// Kotlin: `CoroutineDispatcher.dispatch`; with [`Wakeup::Yield`] `dispatchYield`.
    ///
    /// # Errors
    /// If the runtime behind it has shut down, or a custom dispatcher refuses. A task taken by a pool that shuts down before running it
    /// is [rescheduled](Task::reschedule).
    ///
    /// # Panics
    /// On [`MAIN`](Dispatcher::MAIN) while nothing is set. Passes on a panic of a custom dispatcher.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Dispatcher, Task, Wakeup};
    /// use std::sync::mpsc;
    ///
    /// let (tx, rx) = mpsc::channel();
    /// let task = Task::new(async move { tx.send(42).unwrap() }, |_, _| {});
    /// Dispatcher::DEFAULT.dispatch(task, Wakeup::Launch).unwrap();
    /// assert_eq!(rx.recv(), Ok(42));
    /// ```
    pub fn dispatch(&self, task: Task, how: Wakeup) -> Result<(), Rejected> {
        match &self.kind {
            Kind::Pool(pool) => {
                task.set_owner(0);
                pool.push(task, how)
            }
            Kind::Loop(events) => {
                task.set_owner(0);
                events.push_task(task)
            }
            Kind::Default => {
                task.set_owner(0);
                pool::own().push(task, how)
            }
            Kind::PoolIo(pool) => {
                task.set_owner(0);
                pool.push_io(task)
            }
            Kind::Io => {
                task.set_owner(0);
                pool::own().push_io(task)
            }
            Kind::Unconfined => {
                task.set_owner(0);
                unconfined::dispatch(task);
                Ok(())
            }
            Kind::Main => main_slot::required().dispatch(task, how),
            Kind::Immediate(base) if how != Wakeup::Yield && base.is_current_thread() => {
                task.set_owner(match &base.kind {
                    Kind::Custom(custom) => address(custom),
                    _ => 0,
                });
                unconfined::run_in_turn(task);
                Ok(())
            }
            Kind::Immediate(base) => base.dispatch(task, how),
            Kind::View(view) => {
                task.set_owner(0);
                view.push(task)
            }
            Kind::Custom(custom) => {
                task.set_owner(address(custom));
                if how == Wakeup::Yield {
                    custom.dispatch_yield(task)
                } else if custom.is_dispatch_needed() {
                    custom.dispatch(task)
                } else {
                    unconfined::run_in_turn(task);
                    Ok(())
                }
            }
        }
    }

    /// Whether a coroutine started or resumed from here must go through [`dispatch`](Dispatcher::dispatch).
    ///
    /// False for [`UNCONFINED`](Dispatcher::UNCONFINED), and for custom dispatchers that say so.
    ///
    /// Kotlin: `CoroutineDispatcher.isDispatchNeeded`.
    #[doc(alias = "isDispatchNeeded")]
    pub fn is_dispatch_needed(&self) -> bool {
        match &self.kind {
            Kind::Unconfined => false,
            Kind::Immediate(base) => !base.is_current_thread(),
            Kind::Custom(custom) => custom.is_dispatch_needed(),
            _ => true,
        }
    }

    /// Whether this is the event loop of this very thread, on which [`Task::new_local`] is possible, or a custom one that
    /// [says so](Dispatch::is_local).
    pub fn is_local(&self) -> bool {
        match &self.kind {
            Kind::Loop(events) => event_loop::is_of_this_thread(events),
            Kind::Immediate(base) => base.is_local(),
            Kind::Custom(custom) => custom.is_local(),
            Kind::Main => main_slot::current().is_some_and(|main| main.is_local()),
            _ => false,
        }
    }

    /// The `D` behind this dispatcher, if it was made of one that [says so](Dispatch::as_any), or is a view of such a one
    /// or its immediate one.
    ///
    /// See the example of [`Dispatch::as_any`].
    pub fn downcast_ref<D: Dispatch>(&self) -> Option<&D> {
        match &self.kind {
            Kind::Custom(custom) => custom.as_any()?.downcast_ref(),
            Kind::Immediate(base) => base.downcast_ref(),
            Kind::View(view) => view.base().downcast_ref(),
            _ => None,
        }
    }

    /// The tokio runtime whose threads run the tasks of this dispatcher, also as a view.
    ///
    /// `None` for event loops, custom dispatchers, and names that are not [resolved](Dispatcher::resolve). See the example
    /// of [`tokio`](Dispatcher::tokio).
    pub fn runtime_id(&self) -> Option<tokio::runtime::Id> {
        match &self.kind {
            Kind::Pool(pool) | Kind::PoolIo(pool) => Some(pool.handle().id()),
            Kind::Immediate(base) => base.runtime_id(),
            Kind::View(view) => view.base().runtime_id(),
            _ => None,
        }
    }

    /// Whether this is [`UNCONFINED`](Dispatcher::UNCONFINED).
    pub fn is_unconfined(&self) -> bool {
        matches!(self.kind, Kind::Unconfined)
    }

    /// Whether a task that is woken on this thread, at this moment, runs here in place: on
    /// [`UNCONFINED`](Dispatcher::UNCONFINED), and on custom dispatchers that [need no dispatch](Dispatch::is_dispatch_needed).
    pub fn runs_in_place(&self) -> bool {
        match &self.kind {
            Kind::Unconfined => true,
            Kind::Custom(custom) => !custom.is_dispatch_needed(),
            _ => false,
        }
    }

    /// Whether this is [`MAIN`](Dispatcher::MAIN) while none is set: a dispatch panics then.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::{Dispatcher, set_main};
    ///
    /// assert!(Dispatcher::MAIN.lacks_main() && Dispatcher::MAIN.immediate().lacks_main());
    /// let _main = set_main(Dispatcher::DEFAULT).unwrap();
    /// assert!(!Dispatcher::MAIN.lacks_main());
    /// ```
    pub fn lacks_main(&self) -> bool {
        match &self.kind {
            Kind::Main => main_slot::current().is_none(),
            Kind::Immediate(base) => base.lacks_main(),
            Kind::View(view) => view.base().lacks_main(),
            _ => false,
        }
    }

    /// Whether this is a user's [`Dispatch`], or a view of one: a dispatch may panic then. [`MAIN`](Dispatcher::MAIN) counts as
    /// one.
    pub fn is_custom(&self) -> bool {
        match &self.kind {
            // What it stands for may be one, and without that it panics.
            Kind::Custom(_) | Kind::Main => true,
            Kind::Immediate(base) => base.is_custom(),
            Kind::View(view) => view.base().is_custom(),
            _ => false,
        }
    }

    /// Whether this is [`IO`](Dispatcher::IO), of whatever home, or a view of it.
    pub fn is_io(&self) -> bool {
        match &self.kind {
            Kind::Io | Kind::PoolIo(_) => true,
            Kind::View(view) => view.base().is_io(),
            _ => false,
        }
    }

    /// Whether this is [`DEFAULT`](Dispatcher::DEFAULT), of whatever home, a runtime of tokio or a pool of its own, or a view or the
    /// immediate one of such a one: threads that compute, and that a blocking call takes away from others.
    ///
    /// # Examples
    /// ```
    /// use corox_scheduler::Dispatcher;
    ///
    /// assert!(Dispatcher::DEFAULT.limited_parallelism(2).is_pool());
    /// assert!(!Dispatcher::IO.is_pool() && !Dispatcher::UNCONFINED.is_pool());
    /// ```
    pub fn is_pool(&self) -> bool {
        match &self.kind {
            Kind::Default | Kind::Pool(_) => true,
            Kind::Immediate(base) => base.is_pool(),
            Kind::View(view) => view.base().is_pool(),
            _ => false,
        }
    }

    /// Tells `who` once when the runtime that this dispatcher runs on has shut down; at once if it has already.
    ///
    /// Tasks that wait in the queue of such a runtime come back by themselves ([`Task::reschedule`]). This is for what is
    /// suspended there with nothing to wake it. Dispatchers that outlive everything, and custom ones, never tell. See the
    /// example of [`OnClose`].
    pub fn on_close(&self, who: Weak<dyn OnClose>) {
        match &self.kind {
            Kind::Pool(pool) | Kind::PoolIo(pool) if !pool.is_own() => pool.on_close(who),
            Kind::Loop(events) => events.on_close(who),
            Kind::Immediate(base) => base.on_close(who),
            Kind::View(view) => view.base().on_close(who),
            _ => {}
        }
    }

    /// Whether this thread is, right now, running a task of this very dispatcher.
    pub fn runs_here(&self) -> bool {
        // The own pool is asked only if it can be the one: it may not have started.
        match (&self.kind, Here::current()) {
            (Kind::Default, Here::Pool(here)) => here == pool::own().address(),
            (Kind::Io, Here::Io(here)) => here == pool::own().address(),
            (Kind::Unconfined, Here::Unconfined) => true,
            (Kind::Pool(pool), Here::Pool(here)) => here == pool.address(),
            (Kind::PoolIo(pool), Here::Io(here)) => here == pool.address(),
            (Kind::Loop(events), Here::Loop(here)) => here == Arc::as_ptr(events).addr(),
            (Kind::View(view), _) => view.runs_here(),
            (Kind::Main, _) => main_slot::current().is_some_and(|main| main.runs_here()),
            (Kind::Immediate(base), _) => base.runs_here(),
            (Kind::Custom(custom), Here::Custom(here)) => here == address(custom),
            _ => false,
        }
    }
}

fn address(custom: &Arc<dyn Dispatch>) -> usize {
    Arc::as_ptr(custom).cast::<()>().addr()
}

impl PartialEq for Dispatcher {
    fn eq(&self, other: &Dispatcher) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Default, Kind::Default)
            | (Kind::Io, Kind::Io)
            | (Kind::Unconfined, Kind::Unconfined) => true,
            (Kind::Pool(a), Kind::Pool(b)) | (Kind::PoolIo(a), Kind::PoolIo(b)) => {
                Arc::ptr_eq(a, b)
            }
            (Kind::Loop(a), Kind::Loop(b)) => Arc::ptr_eq(a, b),
            (Kind::Main, Kind::Main) => true,
            (Kind::Immediate(a), Kind::Immediate(b)) => a == b,
            (Kind::View(a), Kind::View(b)) => a.same(b),
            (Kind::Custom(a), Kind::Custom(b)) => address(a) == address(b),
            _ => false,
        }
    }
}

impl Eq for Dispatcher {}

// As tokio's `Handle`: a panic in between leaves no queue half-changed.
impl UnwindSafe for Dispatcher {}
impl RefUnwindSafe for Dispatcher {}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Default => f.write_str("Dispatchers.Default"),
            Kind::Io => f.write_str("Dispatchers.IO"),
            Kind::Unconfined => f.write_str("Dispatchers.Unconfined"),
            Kind::Loop(_) => f.write_str("EventLoop"),
            Kind::Pool(pool) if pool.is_own() => f.write_str("Dispatchers.Default"),
            Kind::PoolIo(pool) if pool.is_own() => f.write_str("Dispatchers.IO"),
            Kind::Pool(pool) => write!(f, "Tokio({})", pool.handle().id()),
            Kind::PoolIo(pool) => write!(f, "Tokio({}).IO", pool.handle().id()),
            Kind::Main => f.write_str("Dispatchers.Main"),
            Kind::Immediate(base) => write!(f, "{base:?}.immediate"),
            Kind::View(view) => fmt::Debug::fmt(view, f),
            Kind::Custom(custom) => f.write_str(&custom.name()),
        }
    }
}

//! The context that a job runs in: every element decided.

use std::sync::Arc;

use corox_scheduler::Dispatcher;

use crate::context::{CoroutineContext, CoroutineName};
use crate::context_element::Elements;
use crate::exception_handler::ExceptionHandler;
use crate::frame;
use crate::harness::{self, Watched};
use crate::job::Job;
use crate::shim::{Home, resolve};

/// Shared by a whole tree until somebody changes an element.
#[derive(Clone)]
pub(crate) struct JobContext(Arc<JobContextData>);

pub(crate) struct JobContextData {
    pub(crate) home: Home,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) name: Option<CoroutineName>,
    pub(crate) handler: Option<ExceptionHandler>,
    pub(crate) elements: Option<Elements>,
    pub(crate) watch: Option<Watched>,
}

impl std::ops::Deref for JobContext {
    type Target = JobContextData;
    fn deref(&self) -> &JobContextData {
        &self.0
    }
}

impl JobContext {
    pub(crate) fn new(home: Home, watch: Option<Watched>, dispatcher: Dispatcher) -> JobContext {
        JobContext(Arc::new(JobContextData {
            watch,
            home,
            dispatcher,
            name: None,
            handler: None,
            elements: None,
        }))
    }

    /// The context of a root that is entered here, outside any coroutine (decision 22).
    pub(crate) fn of_this_thread() -> JobContext {
        let (home, dispatcher) = Home::current();
        JobContext::new(home, harness::host(), dispatcher)
    }

    /// The context of roots that belong to no place: the process's own pool.
    pub(crate) fn own() -> JobContext {
        JobContext::own_of_set(&CoroutineContext::empty())
    }

    /// The same with the elements of `set`. A main dispatcher that the coroutine around, or the harness of this thread, has for
    /// itself counts here, too.
    pub(crate) fn own_of_set(set: &CoroutineContext) -> JobContext {
        let (home, watch) = frame::with_current(|frame| match frame {
            Some(frame) => {
                let context = frame.job().context();
                let watch = context.watch.as_ref().map(Watched::of_free_root);
                (Home::own().with_main_of(&context.home), watch)
            }
            None => match harness::host() {
                Some(watched) => {
                    let home = Home::own().with_main_of(&Home::current().0);
                    (home, Some(watched.of_free_root()))
                }
                None => (Home::own(), None),
            },
        });
        JobContext::of_set(home, watch, set)
    }

    /// The context of a scope of `job` with exactly the elements of `set`: where the tree of the job is, or, if it is in none,
    /// where free roots are (decision 23), whatever coroutine has made it.
    pub(crate) fn of_scope_of(job: &Job, set: &CoroutineContext) -> JobContext {
        let context = job.context();
        if job.is_in_a_tree() {
            return JobContext::of_set(context.home.clone(), context.watch.clone(), set);
        }
        let home = Home::own().with_main_of(&context.home);
        let watch = context.watch.as_ref().map(Watched::of_free_root);
        JobContext::of_set(home, watch, set)
    }

    /// The context with exactly the elements of `set`, on the pool of `home` if no dispatcher is among them.
    pub(crate) fn of_set(home: Home, watch: Option<Watched>, set: &CoroutineContext) -> JobContext {
        // Another pool than that of the set's dispatcher is not started.
        let dispatcher = set.dispatcher.as_ref().unwrap_or(&Dispatcher::DEFAULT);
        let dispatcher = resolve(dispatcher, &home);
        JobContext::new(home, watch, dispatcher).plus(set)
    }

    /// This context with the elements of `changes` over it: no coroutine begins, so nothing is copied or merged.
    pub(crate) fn plus(&self, changes: &CoroutineContext) -> JobContext {
        if changes.changes_no_element() {
            return self.clone();
        }
        let elements = Elements::merge(self.elements.clone(), changes.elements.clone());
        self.with_elements(changes, elements)
    }

    /// Whether both are one context, not merely equal ones.
    pub(crate) fn ptr_eq(&self, other: &JobContext) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The context of a coroutine that is launched in this one.
    pub(crate) fn for_child(&self) -> JobContext {
        match &self.elements {
            None => self.clone(),
            Some(_) => self.changed(&CoroutineContext::empty(), true),
        }
    }

    /// The same, with the elements of `changes` over this context; the parent among them is not looked at.
    pub(crate) fn for_child_with(&self, changes: &CoroutineContext) -> JobContext {
        if changes.changes_no_element() {
            return self.for_child();
        }
        self.changed(changes, true)
    }

    /// The context of a part of a coroutine, which gets no copies of elements.
    pub(crate) fn for_part_with(&self, changes: &CoroutineContext) -> JobContext {
        if changes.changes_no_element() {
            return self.clone();
        }
        self.changed(changes, false)
    }

    fn changed(&self, changes: &CoroutineContext, launched: bool) -> JobContext {
        let elements =
            Elements::for_child(self.elements.as_ref(), changes.elements.as_ref(), launched);
        self.with_elements(changes, elements)
    }

    fn with_elements(&self, changes: &CoroutineContext, elements: Option<Elements>) -> JobContext {
        JobContext(Arc::new(JobContextData {
            dispatcher: match &changes.dispatcher {
                Some(dispatcher) => resolve(dispatcher, &self.home),
                None => self.dispatcher.clone(),
            },
            name: changes.name.clone().or_else(|| self.name.clone()),
            handler: changes.handler.clone().or_else(|| self.handler.clone()),
            elements,
            home: self.home.clone(),
            watch: self.watch.clone(),
        }))
    }

    /// The set of its elements, without a job.
    pub(crate) fn to_set(&self) -> CoroutineContext {
        CoroutineContext {
            dispatcher: Some(self.dispatcher.clone()),
            name: self.name.clone(),
            handler: self.handler.clone(),
            elements: self.elements.clone(),
            parent: None,
        }
    }
}

//! The context that a job runs in: every element decided.

use std::sync::Arc;

use corox_scheduler::Dispatcher;

use crate::context::{CoroutineContext, CoroutineName};
use crate::context_element::Elements;
use crate::exception_handler::ExceptionHandler;
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
}

impl std::ops::Deref for JobContext {
    type Target = JobContextData;
    fn deref(&self) -> &JobContextData {
        &self.0
    }
}

impl JobContext {
    pub(crate) fn new(home: Home, dispatcher: Dispatcher) -> JobContext {
        JobContext(Arc::new(JobContextData {
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
        JobContext::new(home, dispatcher)
    }

    /// The context of roots that belong to no place: the process's own pool.
    pub(crate) fn own() -> JobContext {
        JobContext::of_home(Home::own())
    }

    /// The context on the pool of `home`, without further elements.
    pub(crate) fn of_home(home: Home) -> JobContext {
        let dispatcher = resolve(&Dispatcher::DEFAULT, &home);
        JobContext::new(home, dispatcher)
    }

    /// The context with exactly the elements of `set`, on the pool of `home` if no dispatcher is among them.
    pub(crate) fn of_set(home: Home, set: &CoroutineContext) -> JobContext {
        match &set.dispatcher {
            // The process's own pool is not started for those who do not use it.
            Some(dispatcher) => JobContext::new(home.clone(), resolve(dispatcher, &home)),
            None => JobContext::of_home(home),
        }
        .plus(set)
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

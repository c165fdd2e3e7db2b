//! The pool.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use tokio::runtime::{Handle, Id, RuntimeFlavor};

use crate::here::Here;
use crate::{Rejected, Task, Wakeup};

pub(crate) struct Pool {
    handle: Handle,
    closed: AtomicBool,
    own: bool,
    io: Io,
}

pub(crate) struct Io;
pub(crate) struct Permit;
impl Io {
    pub(crate) fn try_permit(&self) -> Option<Permit> {
        Some(Permit)
    }
}

static REGISTRY: OnceLock<Mutex<HashMap<Id, Arc<Pool>>>> = OnceLock::new();

pub(crate) fn of(handle: &Handle) -> Arc<Pool> {
    let mut map = REGISTRY.get_or_init(Default::default).lock();
    map.entry(handle.id())
        .or_insert_with(|| Arc::new(Pool::new(handle.clone(), false)))
        .clone()
}

pub(crate) fn own() -> &'static Arc<Pool> {
    static OWN: OnceLock<(tokio::runtime::Runtime, Arc<Pool>)> = OnceLock::new();
    &OWN.get_or_init(|| {
        let rt = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("threads");
        let pool = Arc::new(Pool::new(rt.handle().clone(), true));
        (rt, pool)
    })
    .1
}

pub(crate) fn before_blocking() {}

impl Pool {
    fn new(handle: Handle, own: bool) -> Pool {
        Pool {
            handle,
            closed: AtomicBool::new(false),
            own,
            io: Io,
        }
    }
    pub(crate) fn push(self: &Arc<Self>, task: Task, _how: Wakeup) -> Result<(), Rejected> {
        let here = Here::Pool(self.address());
        self.handle.spawn(async move {
            let _here = here.enter();
            task.run();
        });
        Ok(())
    }
    pub(crate) fn push_io(self: &Arc<Self>, task: Task) -> Result<(), Rejected> {
        let here = Here::Io(self.address());
        self.handle.spawn_blocking(move || {
            let _here = here.enter();
            task.run();
        });
        Ok(())
    }
    pub(crate) fn io(&self) -> &Io {
        &self.io
    }
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }
    pub(crate) fn is_own(&self) -> bool {
        self.own
    }
    pub(crate) fn is_fifo(&self) -> bool {
        self.handle.runtime_flavor() != RuntimeFlavor::MultiThread
    }
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
    pub(crate) fn has_timers(&self) -> bool {
        true
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").finish_non_exhaustive()
    }
}

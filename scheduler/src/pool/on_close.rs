//! Who is told when the runtime of a pool shuts down.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// Something that is told, once, when the runtime of a dispatcher has shut down; see
/// [`Dispatcher::on_close`](crate::Dispatcher::on_close).
///
/// # Examples
/// ```
/// use corox_scheduler::{Dispatcher, OnClose};
/// use std::sync::{Arc, mpsc};
///
/// struct Notice(mpsc::Sender<&'static str>);
/// impl OnClose for Notice {
///     fn closed(self: Arc<Self>) {
///         self.0.send("closed").unwrap();
///     }
/// }
///
/// let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// let (tx, rx) = mpsc::channel();
/// let notice: Arc<dyn OnClose> = Arc::new(Notice(tx));
/// Dispatcher::tokio(runtime.handle().clone()).on_close(Arc::downgrade(&notice));
/// drop(runtime);
/// assert_eq!(rx.try_recv(), Ok("closed"));
/// ```
pub trait OnClose: Send + Sync {
    /// The runtime has shut down: nothing more runs there. Called on the thread that shuts it down, with no lock held.
    fn closed(self: Arc<Self>);
}

/// The list of a pool. It holds nobody alive, and is cleared of the dead whenever it has doubled.
#[derive(Default)]
pub(crate) struct Told(Mutex<State>);

#[derive(Default)]
struct State {
    list: Vec<Weak<dyn OnClose>>,
    clear_at: usize,
}

/// The shortest list that is cleared.
const FEW: usize = 32;

impl Told {
    pub(crate) fn add(&self, who: Weak<dyn OnClose>) {
        let dead = {
            let mut state = self.0.lock();
            let mut dead = Vec::new();
            if state.list.len() >= state.clear_at.max(FEW) {
                let (kept, gone) = std::mem::take(&mut state.list)
                    .into_iter()
                    .partition(|who: &Weak<dyn OnClose>| who.strong_count() > 0);
                dead = gone;
                state.list = kept;
                state.clear_at = state.list.len() * 2;
            }
            state.list.push(who);
            dead
        };
        drop(dead);
    }

    pub(crate) fn tell(&self) {
        let list = std::mem::take(&mut self.0.lock().list);
        for who in list.iter().filter_map(Weak::upgrade) {
            who.closed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl OnClose for Nobody {
        fn closed(self: Arc<Self>) {}
    }

    #[test]
    fn the_list_does_not_grow_with_the_dead() {
        let told = Told::default();
        let alive: Vec<Arc<dyn OnClose>> = (0..10).map(|_| Arc::new(Nobody) as _).collect();
        for who in &alive {
            told.add(Arc::downgrade(who));
        }
        for _ in 0..1000 {
            let who: Arc<dyn OnClose> = Arc::new(Nobody);
            told.add(Arc::downgrade(&who));
        }
        assert!(told.0.lock().list.len() <= 2 * FEW);
        let kept = told
            .0
            .lock()
            .list
            .iter()
            .filter(|who| who.strong_count() > 0)
            .count();
        assert_eq!(kept, alive.len());
    }
}

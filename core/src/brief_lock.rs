//! The lock of a channel, of a mutex, of a semaphore: for sections of a few dozen instructions that every worker wants to enter.
//!
//! It is parking_lot's, but who finds it taken stays away for longer before it tries again. parking_lot comes back after two pauses
//! of the processor, and gives its thread away three tries later. With sections as short as these the lock then changes hands after
//! nearly each of them, and takes what it guards along from one core to the other, which costs several times what is done inside.
//! Who stays away for some twenty sections leaves them to the other one, which has everything in its cache, and then it is the other
//! way round. To try again sooner makes it worse than parking_lot does, not better.

use std::hint::spin_loop;

use parking_lot::{Mutex, MutexGuard};

/// How many pauses of the processor there are before each try, until the thread waits as parking_lot has it. A pause takes from 5 to 60
/// nanoseconds, depending on the processor: so all of them take from 10 to 100 microseconds.
const PAUSES: [u32; 4] = [128, 256, 512, 1024];

/// See the module.
#[derive(Debug)]
pub struct BriefLock<T>(Mutex<T>);

impl<T> BriefLock<T> {
    /// Around `value`.
    #[must_use]
    pub const fn new(value: T) -> Self {
        BriefLock(Mutex::new(value))
    }

    /// Waits for it. Who has panicked with it has given it back.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        match self.0.try_lock() {
            Some(guard) => guard,
            None => self.lock_taken(),
        }
    }

    #[cold]
    #[inline(never)]
    fn lock_taken(&self) -> MutexGuard<'_, T> {
        // Without a look at the lock, which would take its cache line away from who holds it.
        self.lock_after(|pauses| (0..pauses).for_each(|_| spin_loop()))
    }

    fn lock_after(&self, mut stay_away: impl FnMut(u32)) -> MutexGuard<'_, T> {
        for pauses in PAUSES {
            stay_away(pauses);
            if let Some(guard) = self.0.try_lock() {
                return guard;
            }
        }
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn who_finds_it_taken_tries_again_after_ever_longer_pauses() {
        let lock = BriefLock::new(1);
        let mut held = Some(lock.lock());
        let mut pauses = Vec::new();
        let guard = lock.lock_after(|more| {
            pauses.push(more);
            if more == 512 {
                held = None;
            }
        });
        assert_eq!((*guard, pauses), (1, vec![128, 256, 512]));
    }

    #[test]
    fn after_the_last_pause_it_waits_until_it_is_free() {
        let lock = BriefLock::new(1);
        let (last_pause, is_over) = mpsc::channel();
        let (holds, is_held) = mpsc::channel();
        thread::scope(|scope| {
            let lock = &lock;
            scope.spawn(move || {
                let mut guard = lock.lock();
                holds.send(()).expect("it is awaited");
                is_over.recv().expect("there is a last pause");
                *guard += 1;
            });
            is_held.recv().expect("it is taken");
            let mut pauses = Vec::new();
            let guard = lock.lock_after(|more| {
                pauses.push(more);
                if pauses.len() == PAUSES.len() {
                    last_pause.send(()).expect("it is awaited");
                }
            });
            assert_eq!((*guard, pauses), (2, PAUSES.to_vec()));
        });
    }
}

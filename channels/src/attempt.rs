//! Sending and receiving without waiting.

use crate::capacity::BufferOverflow;
use crate::error::{ReceiveError, TryReceiveError, TrySendError};
use crate::shared::Shared;
use crate::state::{Offered, Taken};

impl<T> Shared<T> {
    pub(crate) fn try_send(&self, element: T) -> Result<(), TrySendError<T>> {
        let mut slot = Some(element);
        let mut state = self.state.lock();
        let offered = state.offer(&mut slot, None);
        match offered {
            Offered::Taken(receiver) => {
                self.note_arrival();
                if receiver.is_some() {
                    self.note_waiters(&state);
                }
                drop(state);
                if let Some(receiver) = receiver {
                    receiver.wake();
                }
                Ok(())
            }
            Offered::Displaced => {
                let newcomer = state.overflow == BufferOverflow::DropLatest;
                drop(state);
                match slot {
                    Some(displaced) if !newcomer => self.dispose(displaced),
                    // Of what was never in the channel the hook is not told.
                    displaced => drop(displaced),
                }
                Ok(())
            }
            Offered::Unstarted => {
                drop(state);
                self.start();
                match slot {
                    Some(element) => self.try_send(element),
                    None => unreachable!("what was not taken is still here"),
                }
            }
            Offered::Full | Offered::Closed | Offered::Lost => {
                let cause = state.cause();
                let is_open = !state.is_closed();
                drop(state);
                let Some(element) = slot else {
                    unreachable!("what was not taken is still here")
                };
                Err(if is_open {
                    TrySendError::full(element)
                } else {
                    TrySendError::closed(element, cause)
                })
            }
        }
    }

    pub(crate) fn try_receive(&self) -> Result<T, TryReceiveError> {
        let mut state = self.state.lock();
        match state.take(None) {
            Taken::Element(element, sender) => {
                if sender.is_some() {
                    self.note_waiters(&state);
                }
                drop(state);
                if let Some(sender) = sender {
                    sender.wake();
                }
                Ok(element)
            }
            Taken::Empty | Taken::Lost => Err(TryReceiveError::Empty),
            Taken::Closed => Err(TryReceiveError::Closed(ReceiveError::new(state.cause()))),
        }
    }
}

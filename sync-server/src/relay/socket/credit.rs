//! Bytes of pushed batches that are being judged, bounded for the whole relay; a push that finds no room waits, and its
//! session reads nothing else meanwhile.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sync_wire::{BatchId, Push, RelayFrame};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room for one push; free again when dropped.
#[derive(Debug)]
pub(super) struct Room {
    _permit: Option<OwnedSemaphorePermit>,
}

/// What one session holds.
#[derive(Debug)]
pub(super) struct Credit {
    pool: Arc<Semaphore>,
    /// In the order of the pushes, and answers mostly come in it too; never more than the credit of a session.
    held: VecDeque<(BatchId, Room)>,
}

impl Credit {
    pub(super) fn new(pool: Arc<Semaphore>) -> Self {
        Self { pool, held: VecDeque::new() }
    }

    /// Room for a push of `bytes`, if there is some now.
    pub(super) fn try_take(&self, bytes: usize) -> Option<Room> {
        Arc::clone(&self.pool).try_acquire_many_owned(permits(bytes)).ok().map(|permit| Room { _permit: Some(permit) })
    }

    /// Waits for room. A frame is smaller than the pool, and those who hold room never wait for more, so it comes.
    pub(super) fn wait(&self, push: Push, bytes: usize) -> BoxFuture<'static, (Push, Room)> {
        let pool = Arc::clone(&self.pool);
        Box::pin(async move {
            let permit = pool.acquire_many_owned(permits(bytes)).await.ok();
            (push, Room { _permit: permit })
        })
    }

    /// Keeps room until the batch is answered.
    pub(super) fn hold(&mut self, batch: BatchId, room: Room) {
        self.held.push_back((batch, room));
    }

    /// Gives the room of an answered batch back.
    pub(super) fn answered(&mut self, frame: &RelayFrame) {
        let batch = match frame {
            RelayFrame::Ack(ack) => ack.batch,
            RelayFrame::Refuse(refuse) => refuse.batch,
            RelayFrame::Park(park) => park.batch,
            RelayFrame::Need(need) => need.batch,
            RelayFrame::Skipped(skipped) => skipped.batch,
            RelayFrame::Welcome(_)
            | RelayFrame::Deliver(_)
            | RelayFrame::Bootstrap(_)
            | RelayFrame::GrantChanged(_)
            | RelayFrame::Wanted(_)
            | RelayFrame::LimitsChanged(_)
            | RelayFrame::Presence(_)
            | RelayFrame::Goodbye(_) => return,
        };
        if let Some(index) = self.held.iter().position(|(held, _)| *held == batch) {
            self.held.remove(index);
        }
        if self.held.is_empty() {
            self.held = VecDeque::new(); // an idle session keeps none
        }
    }
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sync_wire::{DocumentId, Skipped, SpaceId};

    #[test]
    fn room_comes_back_with_the_answer() {
        let pool = Arc::new(Semaphore::new(10));
        let mut credit = Credit::new(Arc::clone(&pool));
        let batch = BatchId([1; 16]);
        let room = credit.try_take(8).unwrap();
        credit.hold(batch, room);
        assert!(credit.try_take(8).is_none());
        let (space, document) = (SpaceId([2; 16]), DocumentId([3; 16]));
        credit.answered(&RelayFrame::Skipped(Skipped { space, document, batch }));
        assert_eq!(pool.available_permits(), 10);
    }

    #[test]
    fn a_session_that_ends_gives_its_room_back() {
        let pool = Arc::new(Semaphore::new(10));
        let mut credit = Credit::new(Arc::clone(&pool));
        let room = credit.try_take(8).unwrap();
        credit.hold(BatchId([1; 16]), room);
        drop(credit);
        assert_eq!(pool.available_permits(), 10);
    }
}

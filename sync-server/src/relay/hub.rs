//! Who wants to hear that a log has grown. Carries no data: whoever is hinted reads what it is missing.
//!
//! There is no queue. Each follower has one [`Bell`], which remembers the newest end per space until its owner looks;
//! hints that come meanwhile collapse into it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use sync_wire::{LogPosition, SpaceId};

/// What one follower has not looked at yet. To be waited at by one task only.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<Rung>,
    /// Whether there is something: who waits looks here whenever it wakes up, and should not lock for nothing.
    is_rung: AtomicBool,
    waker: AtomicWaker,
}

/// Never larger than the set of spaces that its owner follows.
#[derive(Debug, Default)]
struct Rung {
    ends: BTreeMap<SpaceId, LogPosition>,
    settled: BTreeSet<SpaceId>,
    access_changed: bool,
    presence: bool,
}

/// What a follower finds when it looks.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Spaces that have grown, ascending, with their newest known end.
    pub ends: Vec<(SpaceId, LogPosition)>,
    /// Spaces whose intake was left by batches that did not get into the log, ascending.
    pub settled: Vec<SpaceId>,
    /// Some grant, token or device may have changed.
    pub access_changed: bool,
    /// Somebody came, went or moved in a document that the follower is in.
    pub presence: bool,
}

impl Bell {
    /// Waits until there is something, and takes all of it.
    pub async fn heard(&self) -> Heard {
        poll_fn(|context| self.poll_heard(context)).await
    }

    fn poll_heard(&self, context: &Context<'_>) -> Poll<Heard> {
        if let Some(heard) = self.look() {
            return Poll::Ready(heard);
        }
        self.waker.register(context.waker());
        // It may have rung before it knew whom to wake.
        self.look().map_or(Poll::Pending, Poll::Ready)
    }

    fn look(&self) -> Option<Heard> {
        self.is_rung.load(Ordering::SeqCst).then(|| self.take()).filter(|heard| *heard != Heard::default())
    }

    /// Takes what there is.
    pub fn take(&self) -> Heard {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_rung.store(false, Ordering::SeqCst);
        Heard {
            ends: std::mem::take(&mut rung.ends).into_iter().collect(),
            settled: std::mem::take(&mut rung.settled).into_iter().collect(),
            access_changed: std::mem::take(&mut rung.access_changed),
            presence: std::mem::take(&mut rung.presence),
        }
    }

    /// Says that the log of `space` ends at `end` now.
    pub fn ring(&self, space: SpaceId, end: LogPosition) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let known = rung.ends.entry(space).or_insert(end);
        // Of two epochs the one that is heard of last is told; who reads finds out which is true.
        let is_later = known.epoch != end.epoch || known.position < end.position;
        if is_later {
            *known = end;
        }
        self.is_rung.store(true, Ordering::SeqCst);
        drop(rung);
        self.waker.wake();
    }

    /// Says that batches have left the intake of `space` otherwise than into its log.
    pub fn ring_settled(&self, space: SpaceId) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        rung.settled.insert(space);
        self.is_rung.store(true, Ordering::SeqCst);
        drop(rung);
        self.waker.wake();
    }

    /// Says that access may have changed.
    pub fn ring_access_changed(&self) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        rung.access_changed = true;
        self.is_rung.store(true, Ordering::SeqCst);
        drop(rung);
        self.waker.wake();
    }

    /// Says that [`crate::relay::presence`] has something to tell.
    pub fn ring_presence(&self) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        rung.presence = true;
        self.is_rung.store(true, Ordering::SeqCst);
        drop(rung);
        self.waker.wake();
    }

    fn forget(&self, space: SpaceId) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        rung.ends.remove(&space);
        rung.settled.remove(&space);
    }
}

/// Everybody who listens in this process.
#[derive(Debug, Default)]
pub struct Hub {
    followers: RwLock<HashMap<SpaceId, Vec<Arc<Bell>>>>,
    everybody: Mutex<Vec<Arc<Bell>>>,
}

impl Hub {
    /// A new listener, which hears of changed access at once and of spaces once it follows them.
    #[must_use]
    pub fn listen(self: &Arc<Self>) -> Listener {
        let bell = Arc::new(Bell::default());
        self.everybody.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&bell));
        Listener { hub: Arc::clone(self), bell, following: BTreeSet::new() }
    }

    /// Says that the log of `space` ends at `end` now. Call it after the commit, never before.
    pub fn hint(&self, space: SpaceId, end: LogPosition) {
        let followers = self.followers.read().unwrap_or_else(PoisonError::into_inner);
        for bell in followers.get(&space).into_iter().flatten() {
            bell.ring(space, end);
        }
    }

    /// As [`Self::hint`], but not to the one follower who knows better: a session hears of its own append from its
    /// outcome, and must not read what it pushed before it knows that.
    pub fn hint_others(&self, space: SpaceId, end: LogPosition, except: &Arc<Bell>) {
        let followers = self.followers.read().unwrap_or_else(PoisonError::into_inner);
        for bell in followers.get(&space).into_iter().flatten().filter(|bell| !Arc::ptr_eq(bell, except)) {
            bell.ring(space, end);
        }
    }

    /// Says that batches have left the intake of `space` otherwise than into its log. Call it after the commit.
    pub fn settled(&self, space: SpaceId) {
        let followers = self.followers.read().unwrap_or_else(PoisonError::into_inner);
        followers.get(&space).into_iter().flatten().for_each(|bell| bell.ring_settled(space));
    }

    /// Says to everybody that access may have changed.
    pub fn access_changed(&self) {
        for bell in self.everybody.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            bell.ring_access_changed();
        }
    }

    /// Whether anybody in this process follows `space`.
    #[must_use]
    pub fn is_followed(&self, space: SpaceId) -> bool {
        self.followers.read().unwrap_or_else(PoisonError::into_inner).contains_key(&space)
    }
}

/// One listener; hears nothing any more once it is dropped.
#[derive(Debug)]
pub struct Listener {
    hub: Arc<Hub>,
    bell: Arc<Bell>,
    following: BTreeSet<SpaceId>,
}

impl Listener {
    /// Where hints arrive.
    #[must_use]
    pub fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    /// The spaces followed.
    #[must_use]
    pub fn following(&self) -> &BTreeSet<SpaceId> {
        &self.following
    }

    /// Hears of `space` from now on.
    pub fn follow(&mut self, space: SpaceId) {
        if !self.following.insert(space) {
            return;
        }
        let mut followers = self.hub.followers.write().unwrap_or_else(PoisonError::into_inner);
        followers.entry(space).or_default().push(Arc::clone(&self.bell));
    }

    /// Hears of `space` no more.
    pub fn unfollow(&mut self, space: SpaceId) {
        self.following.remove(&space);
        self.hub.remove(space, &self.bell);
        self.bell.forget(space);
    }
}

impl Hub {
    fn remove(&self, space: SpaceId, bell: &Arc<Bell>) {
        let mut followers = self.followers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(bells) = followers.get_mut(&space) {
            bells.retain(|other| !Arc::ptr_eq(other, bell));
            if bells.is_empty() {
                followers.remove(&space);
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        for &space in &self.following {
            self.hub.remove(space, &self.bell);
        }
        let mut everybody = self.hub.everybody.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = everybody.iter().position(|other| Arc::ptr_eq(other, &self.bell)) {
            everybody.swap_remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use sync_wire::{Epoch, Position};

    use super::*;

    const SPACE: SpaceId = SpaceId([1; 16]);

    fn end(epoch: u8, position: u64) -> LogPosition {
        LogPosition { epoch: Epoch([epoch; 8]), position: Position(position) }
    }

    #[test]
    fn hints_collapse_into_the_newest_end() {
        let hub = Arc::new(Hub::default());
        let mut listener = hub.listen();
        listener.follow(SPACE);
        for position in [3, 9, 5] {
            hub.hint(SPACE, end(1, position));
        }
        assert_eq!(listener.bell().take().ends, [(SPACE, end(1, 9))]);
        assert_eq!(listener.bell().take(), Heard::default());
    }

    #[test]
    fn a_new_epoch_is_told_wherever_its_log_ends() {
        let hub = Arc::new(Hub::default());
        let mut listener = hub.listen();
        listener.follow(SPACE);
        for end in [end(1, 9), end(2, 9), end(2, 4)] {
            hub.hint(SPACE, end);
        }
        assert_eq!(listener.bell().take().ends, [(SPACE, end(2, 9))]);
    }

    #[test]
    fn only_followers_hear_of_a_space() {
        let hub = Arc::new(Hub::default());
        let (mut one, mut two) = (hub.listen(), hub.listen());
        one.follow(SPACE);
        two.follow(SPACE);
        two.unfollow(SPACE);
        hub.hint(SPACE, end(1, 1));
        assert_eq!(one.bell().take().ends.len(), 1);
        assert_eq!(two.bell().take(), Heard::default());
    }

    #[test]
    fn a_session_hears_of_its_own_append_from_the_outcome_only() {
        let hub = Arc::new(Hub::default());
        let (mut one, mut two) = (hub.listen(), hub.listen());
        one.follow(SPACE);
        two.follow(SPACE);
        hub.hint_others(SPACE, end(1, 1), one.bell());
        assert_eq!(one.bell().take(), Heard::default());
        assert_eq!(two.bell().take().ends, [(SPACE, end(1, 1))]);
    }

    #[test]
    fn a_dropped_listener_leaves_nothing_behind() {
        let hub = Arc::new(Hub::default());
        let mut listener = hub.listen();
        listener.follow(SPACE);
        drop(listener);
        assert!(!hub.is_followed(SPACE));
        assert!(hub.everybody.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_hint_wakes_a_waiting_follower() {
        let hub = Arc::new(Hub::default());
        let mut listener = hub.listen();
        listener.follow(SPACE);
        let bell = Arc::clone(listener.bell());
        let waiting = tokio::spawn(async move { bell.heard().await });
        tokio::task::yield_now().await;
        hub.hint(SPACE, end(1, 4));
        assert_eq!(waiting.await.unwrap().ends, [(SPACE, end(1, 4))]);
    }
}

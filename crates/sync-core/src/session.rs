//! The relay's half of a connection: greets a device, judges the order of its pushes, and delivers logs to it.
//!
//! A session keeps, per space, one cursor and the known end of the log; it never queues data for a slow device. What
//! it may send is bounded by credit that the device returns.

mod input; // what a session is told
mod effect; // what it wants done
mod delivery; // one space: its cursor, its bootstrap, what is still to be sent
mod lanes; // pushes, document by document
mod intake; // pushes that wait for their check
mod late; // what became of them, told after the news that it is out of date
mod offer; // what the log has lost, given back by a device

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sync_wire::limits::{DELIVER_CREDIT, FRAME_BYTES_MAX, HELLO_TIMEOUT, PUSH_CREDIT, PUSH_CREDIT_BYTES, WIRE_VERSION};
use sync_wire::planted::{self, Bug};
use sync_wire::{
    BatchId, Confirm, DeviceFrame, DeviceId, DocumentId, FateCode, Goodbye, GoodbyeCode, Grant, GrantChanged, Hello,
    LimitsChanged, Park, Push, RelayFrame, Resume, SpaceId, Welcome,
};

use self::delivery::Subscription;
pub use self::effect::Effect;
pub use self::input::{Authorized, BootstrapCursor, BootstrapPage, Input, LogPage, Outcome, Pushed, Within};
use self::intake::Intake;
use self::lanes::{Lanes, content_bytes};
use self::late::JudgedBy;
use self::offer::Offers;
use crate::time::Instant;

/// How often lost hints are healed.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// How long a device waits before it comes back after a failure of ours.
const RETRY_AFTER_FAILURE_MS: u32 = 1000;

/// The relay's half of one connection.
#[derive(Debug)]
pub struct Session {
    state: State,
}

#[derive(Debug)]
enum State {
    /// The device has not said who it is.
    Greeting {
        until: Instant,
    },
    /// The shell looks the device up; pushes that followed `Hello` wait, bounded by their credit.
    Authorizing {
        hello: Hello,
        waiting: Vec<Push>,
        access_changed: bool,
    },
    Open(Box<Open>),
    Closed,
}

#[derive(Debug)]
struct Open {
    device: DeviceId,
    /// Boxed: a map has room for eleven from the first one on, and most devices follow one or two.
    spaces: BTreeMap<SpaceId, Box<Subscription>>,
    /// What is in none of the above until its log knows where the device stands.
    offers: Offers,
    lanes: Lanes,
    intake: Intake,
    /// Deliveries that may still be sent before the device confirms some.
    credit: u32,
    regrant: Regrant,
    /// What the device knows that it is judged by.
    limits_version: u64,
    /// Versions other than those that the device knows, by which something was parked that it was told.
    late: BTreeSet<JudgedBy>,
    next_poll: Instant,
}

/// Whether the grants are being read again.
#[derive(Debug, PartialEq, Eq)]
enum Regrant {
    Idle,
    Reading,
    /// Something changed after the read began: read once more.
    Stale,
}

/// A rule of the protocol that the device broke. Closes the connection.
#[derive(Debug)]
struct Breach(String);

impl From<Breach> for Goodbye {
    fn from(Breach(detail): Breach) -> Self {
        Self::new(GoodbyeCode::PROTOCOL, RETRY_AFTER_FAILURE_MS, detail)
    }
}

impl Session {
    /// A connection that was just accepted at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { state: State::Greeting { until: now + HELLO_TIMEOUT } }
    }

    /// Takes one input and appends what is to be done.
    pub fn handle(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) {
        let handled = match (&mut self.state, input) {
            (State::Closed, _) => Ok(()),
            (_, Input::Failed { detail }) => {
                Err(Goodbye::new(GoodbyeCode::UNAVAILABLE, RETRY_AFTER_FAILURE_MS, detail))
            }
            (_, Input::Denied { code, detail }) => Err(Goodbye::new(code, 0, detail)),
            (_, Input::Superseded { newest }) => {
                let detail = "the device has a newer connection, and nothing that comes on this one counts any more";
                Err(Goodbye { attempt: Some(newest), ..Goodbye::new(GoodbyeCode::SUPERSEDED, 0, detail.into()) })
            }
            (_, Input::Shutdown { retry_after_ms }) => {
                Err(Goodbye::new(GoodbyeCode::SHUTTING_DOWN, retry_after_ms, "the relay restarts".into()))
            }
            (State::Greeting { .. }, Input::Frame(frame)) => self.greet(frame, effects).map_err(Goodbye::from),
            (State::Greeting { until }, Input::Timeout) if now >= *until => {
                Err(Goodbye::new(GoodbyeCode::TOO_SLOW, RETRY_AFTER_FAILURE_MS, "no Hello in time".into()))
            }
            (State::Greeting { .. }, _) => Ok(()),
            (State::Authorizing { .. }, Input::Authorized(found)) => {
                self.open(now, found, effects).map_err(Goodbye::from)
            }
            (State::Authorizing { waiting, .. }, Input::Frame(frame)) => hold(waiting, frame).map_err(Goodbye::from),
            (State::Authorizing { access_changed, .. }, Input::AccessChanged) => {
                *access_changed = true;
                Ok(())
            }
            (State::Authorizing { .. }, _) => Ok(()),
            (State::Open(open), input) => open.handle(now, input, effects).map_err(Goodbye::from),
        };
        if let Err(goodbye) = handled {
            self.state = State::Closed;
            effects.push(Effect::Close(goodbye));
        }
    }

    /// When [`Input::Timeout`] is due.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Greeting { until } => Some(*until),
            State::Open(open) => Some(open.next_poll),
            State::Authorizing { .. } | State::Closed => None,
        }
    }

    /// Whether what others show may be given to the device: not before it is known, and not while its grants are being
    /// read again.
    #[must_use]
    pub fn may_be_shown_others(&self) -> bool {
        matches!(&self.state, State::Open(open) if open.regrant == Regrant::Idle)
    }

    fn greet(&mut self, frame: DeviceFrame, effects: &mut Vec<Effect>) -> Result<(), Breach> {
        let DeviceFrame::Hello(hello) = frame else {
            return Err(Breach("the first frame of a connection must be Hello".into()));
        };
        if hello.versions.oldest > WIRE_VERSION || hello.versions.newest < WIRE_VERSION {
            let detail = format!("the relay speaks wire version {WIRE_VERSION}; update the older side");
            self.state = State::Closed;
            effects.push(Effect::Close(Goodbye::new(GoodbyeCode::VERSION, 0, detail)));
            return Ok(());
        }
        effects.push(Effect::Authorize {
            device: hello.device,
            agent: hello.agent.clone(),
            attempt: hello.attempt,
            cursors: hello.cursors.clone(),
        });
        self.state = State::Authorizing { hello, waiting: Vec::new(), access_changed: false };
        Ok(())
    }

    fn open(&mut self, now: Instant, found: Authorized, effects: &mut Vec<Effect>) -> Result<(), Breach> {
        let State::Authorizing { hello, waiting, access_changed } = std::mem::replace(&mut self.state, State::Closed)
        else {
            return Ok(());
        };
        let (mut spaces, mut offers) = (BTreeMap::new(), Offers::default());
        for grant in &found.grants {
            let cursor = hello.cursors.iter().find(|cursor| cursor.space == grant.space);
            if grant.resume == Resume::Offer {
                offers.begin(grant.space, cursor);
            } else {
                spaces.insert(grant.space, Box::new(Subscription::new(grant.clone(), cursor)));
            }
        }
        let followed: Vec<SpaceId> = spaces.keys().copied().collect();
        let mut open = Box::new(Open {
            device: hello.device,
            spaces,
            offers,
            lanes: Lanes::default(),
            intake: Intake::of(hello.device),
            credit: DELIVER_CREDIT,
            regrant: Regrant::Idle,
            limits_version: found.limits_version,
            late: BTreeSet::new(),
            next_poll: now + POLL_INTERVAL,
        });
        effects.push(Effect::Send(RelayFrame::Welcome(Welcome {
            version: WIRE_VERSION,
            account: found.account,
            grants: found.grants,
            limits_version: found.limits_version,
        })));
        effects.extend(followed.into_iter().map(|space| Effect::Follow { space }));
        for push in waiting {
            open.on_push(push, effects)?;
        }
        if access_changed {
            open.on_access_changed(effects);
        }
        open.pump(effects);
        self.state = State::Open(open);
        Ok(())
    }
}

/// Keeps a push that followed `Hello` until the device is known; its credit bounds how much that can be.
fn hold(waiting: &mut Vec<Push>, frame: DeviceFrame) -> Result<(), Breach> {
    let DeviceFrame::Push(push) = frame else {
        return Err(Breach("only Push may follow Hello before Welcome".into()));
    };
    waiting.push(push);
    let bytes: usize = waiting.iter().map(|push| content_bytes(&push.content)).sum();
    check_push_credit(waiting.len(), bytes)
}

fn check_push_credit(pushes: usize, bytes: usize) -> Result<(), Breach> {
    // The last push may begin within the credit and end beyond it.
    if pushes <= PUSH_CREDIT as usize && bytes <= PUSH_CREDIT_BYTES + FRAME_BYTES_MAX {
        return Ok(());
    }
    Err(Breach(format!(
        "{pushes} pushes of {bytes} bytes are unanswered; the credit is {PUSH_CREDIT} of {PUSH_CREDIT_BYTES} bytes"
    )))
}

impl Open {
    fn handle(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) -> Result<(), Breach> {
        match input {
            Input::Frame(DeviceFrame::Push(push)) => self.on_push(push, effects)?,
            Input::Frame(DeviceFrame::Confirm(confirm)) => self.on_confirm(confirm)?,
            Input::Frame(DeviceFrame::Offer(offer)) => self.offers.on_part(offer, effects)?,
            Input::Frame(DeviceFrame::Presence(presence)) => {
                // In a space that is not granted, or not yet: nobody is shown, and nothing is said.
                if self.spaces.contains_key(&presence.space) {
                    effects.push(Effect::Show { device: self.device, presence });
                }
                return Ok(()); // it has nothing to do with what is read and sent
            }
            Input::Wanted(wanted) => self.offers.on_wanted(wanted, effects),
            Input::OfferEnded(grant) => self.on_offer_ended(grant, effects)?,
            Input::Frame(DeviceFrame::Hello(_)) => return Err(Breach("Hello was sent twice".into())),
            Input::Appended { space, document, outcomes } => self.on_appended(space, document, outcomes, effects),
            Input::Read(page) => self.on_read(page, effects),
            Input::BootstrapRead(page) => self.on_bootstrap_read(page, effects),
            Input::Hint { space, end } => {
                if let Some(subscription) = self.spaces.get_mut(&space) {
                    subscription.hint(end);
                }
            }
            Input::Settled { space } => self.on_settled(space, effects),
            Input::Outcomes { space, outcomes } => self.on_outcomes(space, outcomes, effects),
            Input::AccessChanged => self.on_access_changed(effects),
            Input::Regranted { grants, limits_version } => self.on_regranted(grants, limits_version, effects),
            Input::Timeout if now >= self.next_poll => {
                self.next_poll = now + POLL_INTERVAL;
                // Planted: hints are believed never to be lost.
                if !planted::is(Bug::HintLostWithoutPoll) {
                    effects.push(Effect::Poll);
                    self.intake.poll(effects);
                }
            }
            // Handled by the session, or the answer to a question that this state does not ask.
            Input::Timeout
            | Input::Authorized(_)
            | Input::Denied { .. }
            | Input::Superseded { .. }
            | Input::Failed { .. }
            | Input::Shutdown { .. } => {}
        }
        self.pump(effects);
        Ok(())
    }

    /// Asks for what may be sent: one read per space and kind at a time, as far as the credit goes.
    fn pump(&mut self, effects: &mut Vec<Effect>) {
        for subscription in self.spaces.values_mut() {
            subscription.next_reads(&mut self.credit, effects);
        }
    }

    fn on_push(&mut self, push: Push, effects: &mut Vec<Effect>) -> Result<(), Breach> {
        self.lanes.count(&push.content)?;
        match self.offers.hold(push) {
            Some(push) => self.judge(push, effects),
            None => Ok(()),
        }
    }

    /// Appends a push whose credit is counted.
    fn judge(&mut self, push: Push, effects: &mut Vec<Effect>) -> Result<(), Breach> {
        let Some(subscription) = self.spaces.get_mut(&push.space) else {
            self.lanes.settle(&push.content);
            effects.push(Effect::Send(no_such_space(&push)));
            return Ok(());
        };
        let (space, from) = (push.space, effects.len());
        subscription.remember_own(push.batch);
        self.lanes.push(self.device, push, effects)?;
        self.forget_skipped(space, &effects[from..]);
        Ok(())
    }

    /// What was skipped is not on its way to the log. Another holder of the same batch may bring it, and by then the
    /// device may have given it up.
    fn forget_skipped(&mut self, space: SpaceId, answers: &[Effect]) {
        let Some(subscription) = self.spaces.get_mut(&space) else { return };
        if planted::is(Bug::SkippedCountsAsOwn) {
            return;
        }
        for answer in answers {
            if let Effect::Send(RelayFrame::Skipped(skipped)) = answer {
                subscription.forget_own(&skipped.batch);
            }
        }
    }

    /// The device stands in the log again: the log goes on, and so do its pushes.
    fn on_offer_ended(&mut self, grant: Grant, effects: &mut Vec<Effect>) -> Result<(), Breach> {
        let space = grant.space;
        let Some(held) = self.offers.end(space) else { return Ok(()) };
        self.spaces.insert(space, Box::new(Subscription::new(grant.clone(), None)));
        effects.push(Effect::Send(RelayFrame::GrantChanged(GrantChanged { space, grant: Some(grant) })));
        effects.push(Effect::Follow { space });
        held.into_iter().try_for_each(|push| self.judge(push, effects))
    }

    fn on_appended(
        &mut self,
        space: SpaceId,
        document: DocumentId,
        outcomes: Vec<(BatchId, Outcome)>,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(subscription) = self.spaces.get_mut(&space) {
            for (batch, outcome) in &outcomes {
                match outcome {
                    Outcome::Appended { at, .. } => subscription.own_is_at(*batch, *at),
                    Outcome::Stored => {}
                    _ => subscription.forget_own(batch),
                }
            }
        }
        let stored: Vec<BatchId> = match self.spaces.get(&space) {
            // What was delivered by now needs no more to be said of it.
            Some(subscription) => outcomes
                .iter()
                .filter(|(batch, outcome)| *outcome == Outcome::Stored && subscription.has_own(batch))
                .map(|(batch, _)| *batch)
                .collect(),
            None => Vec::new(),
        };
        let from = effects.len();
        self.lanes.answer(self.device, space, document, outcomes, effects);
        self.forget_skipped(space, &effects[from..]);
        // After the answers: what becomes of a batch is said after it was called stored.
        stored.into_iter().for_each(|batch| self.intake.stored(space, document, batch, effects));
    }

    /// Batches of a space have left its intake; some may be this device's.
    fn on_settled(&mut self, space: SpaceId, effects: &mut Vec<Effect>) {
        if self.spaces.contains_key(&space) {
            self.intake.hinted(space, effects);
        }
    }

    fn on_confirm(&mut self, confirm: Confirm) -> Result<(), Breach> {
        let credit = self.credit.saturating_add(confirm.frames);
        if credit > DELIVER_CREDIT {
            return Err(Breach(format!("{} deliveries were confirmed that were not sent", credit - DELIVER_CREDIT)));
        }
        self.credit = credit;
        Ok(())
    }

    fn on_read(&mut self, page: LogPage, effects: &mut Vec<Effect>) {
        let device = self.device;
        let delivery = self.spaces.get_mut(&page.space).and_then(|subscription| subscription.deliver(device, page));
        match delivery {
            Some(deliver) => {
                self.intake.delivered(deliver.space, &deliver.entries);
                effects.push(Effect::Send(RelayFrame::Deliver(deliver)));
            }
            None => self.credit += 1, // nothing was sent for the credit that the read had taken
        }
    }

    fn on_bootstrap_read(&mut self, page: BootstrapPage, effects: &mut Vec<Effect>) {
        let part = self.spaces.get_mut(&page.space).and_then(|subscription| subscription.bootstrap(page));
        match part {
            Some(bootstrap) => effects.push(Effect::Send(RelayFrame::Bootstrap(bootstrap))),
            None => self.credit += 1,
        }
    }

    fn on_access_changed(&mut self, effects: &mut Vec<Effect>) {
        match self.regrant {
            Regrant::Idle => {
                self.regrant = Regrant::Reading;
                effects.push(Effect::Regrant { device: self.device });
            }
            Regrant::Reading | Regrant::Stale => self.regrant = Regrant::Stale,
        }
    }

    fn on_regranted(&mut self, grants: Vec<Grant>, limits_version: u64, effects: &mut Vec<Effect>) {
        let taken: Vec<SpaceId> =
            self.spaces.keys().copied().filter(|space| grants.iter().all(|grant| grant.space != *space)).collect();
        for space in taken {
            self.spaces.remove(&space);
            self.intake.forget(space);
            effects.push(Effect::Unfollow { space });
            effects.push(Effect::Send(RelayFrame::GrantChanged(GrantChanged { space, grant: None })));
        }
        for (space, held) in self.offers.end_untaken(&grants) {
            effects.push(Effect::Send(RelayFrame::GrantChanged(GrantChanged { space, grant: None })));
            for push in held {
                self.lanes.settle(&push.content);
                effects.push(Effect::Send(no_such_space(&push)));
            }
        }
        for grant in grants {
            self.on_granted(grant, effects);
        }
        if std::mem::replace(&mut self.limits_version, limits_version) != limits_version {
            effects.push(Effect::Send(RelayFrame::LimitsChanged(LimitsChanged { limits_version })));
        }
        match std::mem::replace(&mut self.regrant, Regrant::Idle) {
            Regrant::Stale => self.on_access_changed(effects),
            Regrant::Idle | Regrant::Reading => self.tell_again(effects),
        }
    }

    fn on_granted(&mut self, grant: Grant, effects: &mut Vec<Effect>) {
        let space = grant.space;
        if self.offers.contains(&space) {
            return; // the grant that ends the offer says it as it is then
        }
        match self.spaces.get_mut(&space) {
            Some(subscription) => {
                if let Some(changed) = subscription.regrant(grant) {
                    effects.push(Effect::Send(RelayFrame::GrantChanged(GrantChanged { space, grant: Some(changed) })));
                }
            }
            None => {
                effects
                    .push(Effect::Send(RelayFrame::GrantChanged(GrantChanged { space, grant: Some(grant.clone()) })));
                self.spaces.insert(space, Box::new(Subscription::new(grant, None)));
                effects.push(Effect::Follow { space });
            }
        }
    }
}

/// The same answer whether the space exists or not. Parked, not refused: a grant may come (back).
fn no_such_space(push: &Push) -> RelayFrame {
    RelayFrame::Park(Park {
        space: push.space,
        document: push.document,
        batch: push.batch,
        code: FateCode::NO_SUCH_SPACE,
        judged_by: 0,
        detail: format!("no space {} for this account", push.space),
    })
}

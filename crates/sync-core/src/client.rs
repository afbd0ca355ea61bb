//! The device's half of a connection: says where it stands, pushes what is pending, commits what is delivered, and
//! reconnects.
//!
//! The outbox stays on disk: the machine asks for as many batches as its credit allows and forgets them when they are
//! answered. All that it knows dies with the connection, so reconnecting is no special case.

mod input; // what the client is told
mod effect; // what it wants done
mod status; // what the user can know
mod inbound; // what the relay delivers, space by space
mod offer; // what a relay has lost and gets back
mod outbound; // what is pushed, lane by lane

use std::time::Duration;

use sync_wire::limits::WIRE_VERSION;
use sync_wire::{
    Cursor, DeviceFrame, DeviceId, Goodbye, GoodbyeCode, GrantChanged, Hello, LimitsChanged, RelayFrame, VersionRange,
    Welcome,
};

pub use self::effect::{Effect, Fate, Verdict};
use self::inbound::Inbound;
pub use self::input::{Input, Lanes, Obstacle, OutboxBatch};
use self::offer::Offers;
use self::outbound::Outbound;
pub use self::status::{Link, Status};
use crate::backoff::{Backoff, Cause};
use crate::time::Instant;

/// How long to wait for the relay's `Welcome`.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);

/// The device's half of the protocol, over any number of connections.
#[derive(Debug)]
pub struct Client {
    device: DeviceId,
    agent: String,
    /// The number of the last connection.
    attempt: u64,
    /// What the relay has heard of instead, from a copy of this vault.
    newest: Option<u64>,
    backoff: Backoff,
    state: State,
    reported: Status,
}

#[derive(Debug)]
enum State {
    Off,
    Connecting,
    Connected(Box<Connected>),
    Waiting { until: Instant, link: Link },
    Blocked { link: Link },
}

#[derive(Debug)]
struct Connected {
    stage: Stage,
    inbound: Inbound,
    offers: Offers,
    outbound: Outbound,
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// The cursors are being read, to say hello with.
    Reading,
    /// `Hello` is sent.
    Greeted {
        until: Instant,
    },
    /// `Welcome` came; its grants are being stored.
    Welcomed,
    Online,
}

/// Why a connection is given up. The next attempt begins from what is durable.
#[derive(Debug)]
enum Lost {
    /// Try again, not before so many milliseconds.
    Retry { detail: String, cause: Cause, not_before: Duration },
    /// Trying again cannot help.
    Blocked { code: Option<GoodbyeCode>, detail: String },
}

impl Lost {
    /// There is a relay at the other end, and something is wrong with what it does.
    fn retry(detail: impl Into<String>) -> Self {
        Self::Retry { detail: detail.into(), cause: Cause::TurnedAway, not_before: Duration::ZERO }
    }

    const fn unreached(detail: String) -> Self {
        Self::Retry { detail, cause: Cause::Unreached, not_before: Duration::ZERO }
    }
}

impl From<Goodbye> for Lost {
    fn from(goodbye: Goodbye) -> Self {
        let detail = format!("the relay said goodbye ({}): {}", goodbye.code.name(), goodbye.detail);
        if goodbye.code.is_worth_retrying() {
            let not_before = Duration::from_millis(goodbye.retry_after_ms.into());
            Self::Retry { detail, cause: Cause::TurnedAway, not_before }
        } else {
            Self::Blocked { code: Some(goodbye.code), detail }
        }
    }
}

impl Client {
    /// A device that is not connected. `jitter_seed` spreads the delays between attempts.
    #[must_use]
    pub fn new(device: DeviceId, agent: String, jitter_seed: u64) -> Self {
        let backoff = Backoff::seeded(jitter_seed);
        Self { device, agent, attempt: 0, newest: None, backoff, state: State::Off, reported: Status::default() }
    }

    /// Takes one input and appends what is to be done.
    pub fn handle(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) {
        if let Err(lost) = self.step(now, input, effects) {
            self.lose(now, lost, effects);
        }
        self.report(effects);
    }

    /// When [`Input::Timeout`] is due.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Waiting { until, .. } => Some(*until),
            State::Connected(connected) => match connected.stage {
                Stage::Greeted { until } => Some(until),
                Stage::Reading | Stage::Welcomed | Stage::Online => connected.outbound.next_timeout(),
            },
            State::Off | State::Connecting | State::Blocked { .. } => None,
        }
    }

    /// Which device it is.
    #[must_use]
    pub const fn device(&self) -> DeviceId {
        self.device
    }

    /// Is another device from its next connection on.
    pub const fn set_device(&mut self, device: DeviceId) {
        self.device = device;
    }

    /// The status last reported.
    #[must_use]
    pub const fn status(&self) -> &Status {
        &self.reported
    }

    fn step(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) -> Result<(), Lost> {
        match (&mut self.state, input) {
            (_, Input::Stop) => {
                self.state = State::Off;
                effects.push(Effect::Disconnect);
            }
            (State::Off | State::Waiting { .. } | State::Blocked { .. }, Input::Start) => {
                self.backoff.reset();
                self.connect(effects);
            }
            (State::Waiting { until, .. }, Input::Timeout) if now >= *until => self.connect(effects),
            (State::Connecting, Input::Connected) => {
                let connected = Connected {
                    stage: Stage::Reading,
                    inbound: Inbound::default(),
                    offers: Offers::default(),
                    outbound: Outbound::default(),
                };
                self.state = State::Connected(Box::new(connected));
                effects.push(Effect::ReadCursors);
            }
            (State::Connecting, Input::ConnectFailed { obstacle, detail }) => {
                return Err(match obstacle {
                    Obstacle::Unreached => Lost::unreached(detail),
                    Obstacle::TurnedAway => Lost::retry(detail),
                    Obstacle::Denied => Lost::Blocked { code: Some(GoodbyeCode::UNAUTHENTICATED), detail },
                });
            }
            (State::Connecting | State::Connected(_), Input::Closed { detail }) => return Err(Lost::unreached(detail)),
            (State::Connected(_), Input::Failed { detail }) => {
                return Err(Lost::retry(format!("the vault could not go on: {detail}")));
            }
            (State::Connected(_), Input::Cursors { cursors, clock }) => self.greet(now, cursors, clock, effects),
            (State::Connected(connected), input) => {
                if let Input::Frame(RelayFrame::Goodbye(goodbye)) = &input {
                    self.newest = goodbye.attempt;
                }
                let was_online = connected.stage == Stage::Online;
                connected.handle(now, input, effects)?;
                if !was_online && connected.stage == Stage::Online {
                    self.backoff.reset();
                }
            }
            // A hint or an answer that outlived its connection.
            (State::Off | State::Connecting | State::Waiting { .. } | State::Blocked { .. }, _) => {}
        }
        Ok(())
    }

    fn connect(&mut self, effects: &mut Vec<Effect>) {
        self.state = State::Connecting;
        effects.push(Effect::Connect);
    }

    /// Says where the device stands and begins to push, without waiting for an answer.
    fn greet(&mut self, now: Instant, cursors: Vec<Cursor>, clock: u64, effects: &mut Vec<Effect>) {
        let State::Connected(connected) = &mut self.state else { return };
        if connected.stage != Stage::Reading {
            return;
        }
        connected.stage = Stage::Greeted { until: now + WELCOME_TIMEOUT };
        self.attempt = match self.newest.take() {
            // A greater number would dismiss the copy in turn, and so on without end.
            Some(newest) if newest > self.attempt => newest,
            _ => clock.max(self.attempt.saturating_add(1)),
        };
        connected.inbound = Inbound::from_cursors(&cursors);
        effects.push(Effect::Send(DeviceFrame::Hello(Hello {
            versions: VersionRange { oldest: WIRE_VERSION, newest: WIRE_VERSION },
            device: self.device,
            agent: self.agent.clone(),
            cursors,
            attempt: Some(self.attempt),
        })));
        connected.outbound.read_on(effects);
    }

    fn lose(&mut self, now: Instant, lost: Lost, effects: &mut Vec<Effect>) {
        effects.push(Effect::Disconnect);
        self.state = match lost {
            Lost::Blocked { code, detail } => State::Blocked { link: Link::Blocked { code, detail } },
            Lost::Retry { detail, cause, not_before } => {
                let retry_in = self.backoff.take_delay(now, cause).max(not_before);
                State::Waiting { until: now + retry_in, link: Link::Waiting { detail, retry_in } }
            }
        };
    }

    fn report(&mut self, effects: &mut Vec<Effect>) {
        let status = self.current_status();
        if status != self.reported {
            self.reported = status.clone();
            effects.push(Effect::Status(status));
        }
    }

    fn current_status(&self) -> Status {
        let link = match &self.state {
            State::Off => Link::Off,
            State::Connecting => Link::Connecting,
            State::Waiting { link, .. } | State::Blocked { link } => link.clone(),
            State::Connected(connected) if connected.stage == Stage::Online => {
                return Status {
                    link: Link::Online,
                    outbox_is_empty: connected.outbound.is_empty(),
                    is_caught_up: connected.inbound.is_caught_up(),
                    no_room: connected.outbound.no_room().map(str::to_owned),
                };
            }
            State::Connected(_) => Link::Connecting,
        };
        Status { link, ..Status::default() }
    }
}

impl Connected {
    fn handle(&mut self, now: Instant, input: Input, effects: &mut Vec<Effect>) -> Result<(), Lost> {
        match input {
            Input::Frame(frame) => self.on_frame(now, frame, effects)?,
            Input::Saved => self.outbound.saved(effects),
            Input::Outbox { batches, more } => self.outbound.on_outbox(batches, more, effects),
            Input::GrantsApplied(cursors) => {
                self.inbound.granted(&cursors);
                self.outbound.rewind(0, effects); // re-homed or unparked batches may lie anywhere
                self.stage = Stage::Online;
                self.offers.next(effects);
            }
            Input::Committed { cursor, lanes } => {
                self.inbound.committed(&cursor, effects);
                if lanes == Lanes::Opened {
                    self.outbound.rewind(0, effects);
                }
            }
            Input::Rejected { detail } => return Err(Lost::retry(format!("a delivery was rejected: {detail}"))),
            Input::Checkpoints { space, checkpoints } => self.offers.on_checkpoints(space, checkpoints, effects),
            Input::Run { space, run } => self.offers.on_run(space, run, effects),
            Input::Supplied { space, document, batches } => {
                self.outbound.on_supplied(space, document, batches, effects);
            }
            Input::Show(presence) => {
                if self.stage == Stage::Online {
                    effects.push(Effect::Send(DeviceFrame::Presence(presence)));
                }
            }
            Input::Timeout => {
                if let Stage::Greeted { until } = self.stage
                    && now >= until
                {
                    return Err(Lost::retry("the relay did not answer Hello in time"));
                }
                self.outbound.on_timeout(now, effects);
            }
            // Handled by the client, or not for this state.
            Input::Start
            | Input::Stop
            | Input::Connected
            | Input::ConnectFailed { .. }
            | Input::Closed { .. }
            | Input::Cursors { .. }
            | Input::Failed { .. } => {}
        }
        Ok(())
    }

    fn on_frame(&mut self, now: Instant, frame: RelayFrame, effects: &mut Vec<Effect>) -> Result<(), Lost> {
        match frame {
            RelayFrame::Goodbye(goodbye) => return Err(goodbye.into()),
            RelayFrame::Welcome(welcome) => return self.on_welcome(welcome, effects),
            _ if matches!(self.stage, Stage::Reading | Stage::Greeted { .. }) => {
                return Err(Lost::retry("the relay sent a frame before Welcome"));
            }
            RelayFrame::Deliver(deliver) => {
                self.outbound.on_delivered(&deliver);
                self.inbound.on_deliver(deliver, effects)?;
            }
            RelayFrame::Bootstrap(bootstrap) => self.inbound.on_bootstrap(bootstrap, effects)?,
            RelayFrame::Ack(ack) => {
                self.inbound.on_ack(&ack);
                self.outbound.on_ack(&ack, effects);
            }
            RelayFrame::Refuse(refuse) => self.outbound.on_refuse(refuse, effects),
            RelayFrame::Park(park) => self.outbound.on_park(now, park, effects),
            RelayFrame::Need(need) => self.outbound.on_need(need, effects),
            RelayFrame::Skipped(skipped) => self.outbound.on_skipped(&skipped, effects),
            RelayFrame::LimitsChanged(LimitsChanged { limits_version }) => {
                effects.push(Effect::ApplyLimits { limits_version });
            }
            RelayFrame::Presence(presence) => effects.push(Effect::Present(presence)),
            RelayFrame::Wanted(wanted) => self.offers.on_wanted(&wanted, effects)?,
            RelayFrame::GrantChanged(GrantChanged { space, grant }) => {
                self.inbound.on_grant_changed(space, grant.as_ref());
                self.outbound.on_grant_changed(space, grant.as_ref());
                effects.push(Effect::ApplyGrant { space, grant: grant.clone() });
                self.offers.on_grant_changed(space, grant.as_ref(), effects);
            }
        }
        Ok(())
    }

    fn on_welcome(&mut self, welcome: Welcome, effects: &mut Vec<Effect>) -> Result<(), Lost> {
        if !matches!(self.stage, Stage::Greeted { .. }) {
            return Err(Lost::retry("the relay sent Welcome twice"));
        }
        if welcome.version != WIRE_VERSION {
            let detail = format!("the relay chose wire version {}; this build speaks {WIRE_VERSION}", welcome.version);
            return Err(Lost::Blocked { code: Some(GoodbyeCode::VERSION), detail });
        }
        self.stage = Stage::Welcomed;
        self.inbound.welcome(&welcome.grants);
        self.offers.welcome(&welcome.grants);
        effects.push(Effect::ApplyGrants {
            account: welcome.account,
            grants: welcome.grants,
            limits_version: welcome.limits_version,
        });
        Ok(())
    }
}

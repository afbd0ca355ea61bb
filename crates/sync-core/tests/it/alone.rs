//! One machine by itself, fed by hand: what it wants done is what a test looks at.

use sync_core::client::{self, Client};
use sync_core::session::{self, Authorized, Session};
use sync_core::time::Instant;
use sync_wire::*;

pub(crate) const SPACE: SpaceId = SpaceId([1; 16]);
pub(crate) const DEVICE: DeviceId = DeviceId([3; 16]);
pub(crate) const CHAIN: Chain = Chain([6; 32]);

pub(crate) fn place(epoch: u8, position: u64) -> LogPosition {
    LogPosition { epoch: Epoch([epoch; 8]), position: Position(position) }
}

pub(crate) fn cursor() -> Cursor {
    Cursor { space: SPACE, at: place(1, 9), chain: CHAIN, bootstrap: None }
}

pub(crate) fn grant(end: LogPosition, resume: Resume) -> Grant {
    Grant {
        space: SPACE,
        kind: SpaceKind::Personal,
        role: Role::Owner,
        name: "ada".into(),
        salt: Salt([9; 32]),
        access_version: 1,
        end,
        resume,
    }
}

/// A device that stands at [`cursor`].
pub(crate) struct Device(pub(crate) Client);

impl Device {
    pub(crate) fn greeted() -> Self {
        let mut device = Self(Client::new(DEVICE, "test".into(), 7));
        device.feed(client::Input::Start);
        device.feed(client::Input::Connected);
        device.feed(client::Input::Cursors { cursors: vec![cursor()], clock: 0 });
        device.feed(client::Input::Outbox { batches: Vec::new(), more: false });
        device
    }

    pub(crate) fn welcomed(grants: &[Grant]) -> Self {
        let mut device = Self::greeted();
        device.feed(client::Input::Frame(RelayFrame::Welcome(Welcome {
            version: 1,
            account: AccountId([5; 16]),
            grants: grants.to_vec(),
            limits_version: 1,
        })));
        device
    }

    pub(crate) fn feed(&mut self, input: client::Input) -> Vec<client::Effect> {
        let mut effects = Vec::new();
        self.0.handle(Instant::default(), input, &mut effects);
        effects
    }
}

/// A relay whose log ends at 4.
pub(crate) struct Relay(pub(crate) Session);

impl Relay {
    pub(crate) fn open() -> Self {
        Self::granting(grant(place(1, 4), Resume::Offer))
    }

    pub(crate) fn granting(grant: Grant) -> Self {
        let mut relay = Self(Session::new(Instant::default()));
        relay.frame(DeviceFrame::Hello(Hello {
            versions: VersionRange { oldest: 1, newest: 1 },
            device: DEVICE,
            agent: "test".into(),
            cursors: vec![cursor()],
            attempt: None,
        }));
        let grants = vec![grant];
        let account = AccountId([5; 16]);
        relay.feed(session::Input::Authorized(Authorized { account, limits_version: 1, grants }));
        relay
    }

    pub(crate) fn frame(&mut self, frame: DeviceFrame) -> Vec<session::Effect> {
        self.feed(session::Input::Frame(frame))
    }

    pub(crate) fn feed(&mut self, input: session::Input) -> Vec<session::Effect> {
        let mut effects = Vec::new();
        self.0.handle(Instant::default(), input, &mut effects);
        effects
    }
}

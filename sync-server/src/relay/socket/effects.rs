//! What a session has done outside its loop. Everything here owns what it needs, so that the loop goes on meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use relay_storage::{AccountError, DeviceBinding, ReadError, StorageError};
use sync_core::session::{Authorized, BootstrapCursor, BootstrapPage, Input, LogPage};
use sync_wire::log::Receipt;
use sync_wire::{AccountId, Chain, Cursor, DeviceId, GoodbyeCode, Grant, LogPosition, Position, SpaceId};
use tracing::{error, info};

use crate::access::{self, Caller, ReadableError, Validity};
use crate::app::App;
use crate::relay::append::{self, AppendError, Pushes};
use crate::relay::hub::Bell;
use crate::relay::read;
use crate::relay::sessions::Place;

/// Who is on the other side.
#[derive(Debug)]
pub(super) struct Peer {
    app: App,
    caller: Caller,
    place: OnceLock<Place<(AccountId, DeviceId)>>,
}

/// Why an operation has no ordinary answer.
enum Failure {
    Denied(GoodbyeCode, String),
    Broken { code: &'static str, detail: String },
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Broken { code: error.code(), detail: error.to_string() }
    }
}

impl From<Failure> for Input {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Denied(code, detail) => Self::Denied { code, detail },
            Failure::Broken { code, detail } => {
                error!(error.code = code, "Session fails: {detail}");
                // The device learns the code; what it means here is for the log.
                Self::Failed { detail: format!("the relay cannot do its work at the moment ({code})") }
            }
        }
    }
}

impl Peer {
    pub(super) fn new(app: App, caller: Caller) -> Self {
        Self { app, caller, place: OnceLock::new() }
    }

    pub(super) fn app(&self) -> &App {
        &self.app
    }

    /// The configured wait and a random share on top, so that devices do not come back at once.
    pub(super) fn retry_after_ms(&self) -> u32 {
        let base = self.app.config.relay.retry_after_milliseconds;
        base.saturating_add(rand::random_range(0..=base))
    }

    pub(super) fn authorize(
        self: Arc<Self>,
        device: DeviceId,
        agent: String,
        cursors: Vec<Cursor>,
    ) -> BoxFuture<'static, Option<Input>> {
        async move { Some(self.try_authorize(device, &agent, &cursors).await.unwrap_or_else(Input::from)) }.boxed()
    }

    async fn try_authorize(&self, device: DeviceId, agent: &str, cursors: &[Cursor]) -> Result<Input, Failure> {
        let account = self.caller.account();
        self.bind(device, agent).await?;
        let cursors: HashMap<SpaceId, &Cursor> = cursors.iter().map(|cursor| (cursor.space, cursor)).collect();
        let grants = self.grants(device, &cursors).await?;
        info!(device.id = %device, device.agent = agent, "Device {device} of account {account} is connected");
        Ok(Input::Authorized(Authorized { account, limits_version: self.app.storage.limits().version, grants }))
    }

    async fn bind(&self, device: DeviceId, agent: &str) -> Result<(), Failure> {
        let account = self.caller.account();
        match self.app.storage.bind_device(account, device, agent).await {
            Ok(DeviceBinding::Bound) => {}
            Ok(DeviceBinding::TakenByAnother) => {
                let detail = format!("device {device} belongs to another account; a vault syncs with one account");
                return Err(Failure::Denied(GoodbyeCode::DEVICE_TAKEN, detail));
            }
            Ok(DeviceBinding::Revoked) => return Err(revoked(device)),
            Err(AccountError::Storage(error)) => return Err(error.into()),
            Err(error) => return Err(Failure::Denied(GoodbyeCode::UNAUTHENTICATED, error.to_string())),
        }
        let Some(place) = self.app.sessions.of_device(account, device) else {
            let max = self.app.config.relay.sessions_per_device_max;
            let detail = format!("device {device} has {max} sessions already (relay.sessions_per_device_max)");
            return Err(Failure::Denied(GoodbyeCode::OVERLOADED, detail));
        };
        // A session authorizes one device, once.
        let _ = self.place.set(place);
        Ok(())
    }

    pub(super) fn regrant(self: Arc<Self>, device: DeviceId) -> BoxFuture<'static, Option<Input>> {
        async move {
            let grants = self.grants(device, &HashMap::new()).await;
            Some(grants.map_or_else(Input::from, Input::Regranted))
        }
        .boxed()
    }

    /// Every grant as it is now, after asking whether token and device still are what they were: a change between the
    /// upgrade and the first hint would otherwise be missed.
    async fn grants(&self, device: DeviceId, cursors: &HashMap<SpaceId, &Cursor>) -> Result<Vec<Grant>, Failure> {
        match access::validity(&self.app, &self.caller, device).await? {
            Validity::Valid => {}
            Validity::TokenRevoked => {
                let detail = "the token was revoked; log in again".to_owned();
                return Err(Failure::Denied(GoodbyeCode::UNAUTHENTICATED, detail));
            }
            Validity::DeviceRevoked => return Err(revoked(device)),
        }
        let mut grants = Vec::new();
        for grant in access::grants_now(&self.app, &self.caller).await? {
            let cursor = cursors.get(&grant.space).copied();
            grants.push(read::resume(&self.app, grant, cursor).await?);
        }
        Ok(grants)
    }

    /// Runs on its own, so that a broken connection cannot stop it between commit and hint.
    pub(super) fn append(self: Arc<Self>, space: SpaceId, pushes: Pushes) -> BoxFuture<'static, Option<Input>> {
        let task = tokio::spawn(async move { self.try_append(space, pushes).await });
        async move {
            let appended = task
                .await
                .unwrap_or_else(|error| Err(Failure::Broken { code: "append_panicked", detail: error.to_string() }));
            Some(appended.unwrap_or_else(Input::from))
        }
        .boxed()
    }

    async fn try_append(&self, space: SpaceId, pushes: Pushes) -> Result<Input, Failure> {
        let document = pushes.document;
        let outcomes = match access::writable(&self.app, &self.caller, space).await {
            Ok(target) => append::append(&self.app, &target, pushes).await.map_err(|error| match error {
                AppendError::Storage(error) => error.into(),
                AppendError::Check(error) => Failure::Broken { code: error.code(), detail: error.to_string() },
            })?,
            Err(error @ ReadableError::NoSuchSpace(_)) => append::no_such_space(&pushes.batches, &error.to_string()),
            Err(ReadableError::Storage(error)) => return Err(error.into()),
        };
        Ok(Input::Appended { space, document, outcomes })
    }

    pub(super) fn read_log(
        self: Arc<Self>,
        space: SpaceId,
        after: LogPosition,
        bytes_target: usize,
    ) -> BoxFuture<'static, Input> {
        async move {
            let source = match access::readable(&self.app, &self.caller, space).await {
                Ok(source) => source,
                Err(ReadableError::NoSuchSpace(_)) => return Input::Read(nothing(space, after)),
                Err(ReadableError::Storage(error)) => return Failure::from(error).into(),
            };
            read::log(&self.app, &source, after, bytes_target)
                .await
                .map_or_else(|error| on_read_error(&error), Input::Read)
        }
        .boxed()
    }

    pub(super) fn read_bootstrap(
        self: Arc<Self>,
        space: SpaceId,
        from: BootstrapCursor,
        bytes_target: usize,
    ) -> BoxFuture<'static, Input> {
        async move {
            let source = match access::readable(&self.app, &self.caller, space).await {
                Ok(source) => source,
                // The grant was taken a moment ago and the session hears of it next: a part with nothing in it.
                Err(ReadableError::NoSuchSpace(_)) => {
                    return Input::BootstrapRead(BootstrapPage { space, documents: Vec::new(), next: Some(from) });
                }
                Err(ReadableError::Storage(error)) => return Failure::from(error).into(),
            };
            read::bootstrap(&self.app, &source, from, bytes_target)
                .await
                .map_or_else(|error| on_read_error(&error), Input::BootstrapRead)
        }
        .boxed()
    }

    /// Rings for every space, as storage has it.
    pub(super) fn poll(self: Arc<Self>, spaces: Vec<SpaceId>, bell: Arc<Bell>) -> BoxFuture<'static, Option<Input>> {
        async move {
            match read::ends(&self.app, &spaces).await {
                Ok(ends) => ends.into_iter().for_each(|(space, end)| bell.ring(space, end.position)),
                Err(error) => return Some(Failure::from(error).into()),
            }
            None
        }
        .boxed()
    }
}

fn revoked(device: DeviceId) -> Failure {
    Failure::Denied(GoodbyeCode::DEVICE_REVOKED, format!("device {device} was revoked; log in from a new vault"))
}

/// An empty page, for a read whose grant was taken meanwhile.
fn nothing(space: SpaceId, after: LogPosition) -> LogPage {
    let receipt = Receipt { key: 0, mac: [0; 32] };
    LogPage { space, after, entries: Vec::new(), chain: Chain::START, receipt, log_end: Position::START }
}

/// The log is not what it was when the session began (a restore, say): the device's next `Hello` sorts it out.
fn on_read_error(error: &ReadError) -> Input {
    Failure::Broken { code: error.code(), detail: error.to_string() }.into()
}

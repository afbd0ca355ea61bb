//! Short names of spaces. Storage decides whose a handle is; the identity document of the space, which the relay alone
//! writes, tells its devices (docs/decisions/0026-authority.md).
//!
//! A command beside the relay only gets the row: the relay that serves finds that it is unsaid, now or at its start.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use relay_storage::{Claim, HANDLES_KEPT_MAX, Storage, StorageError, UnshownHandle};
use schemas::{DocumentType, Registry};
use serde_json::{Value, json};
use sync_wire::{AccountId, SpaceId};
use tokio::time::{Instant, MissedTickBehavior};
use tracing::warn;

use super::error::WriteError;
use super::{Deed, Done, Pen};
use crate::access;
use crate::app::App;

/// The type of the document that says the handle.
pub const TYPE: &str = "identity";
/// Handles that would pass for somebody who speaks for the service.
const RESERVED: [&str; 8] = ["admin", "help", "operator", "root", "security", "staff", "support", "symphony"];
/// Spaces that are looked at in one go.
const AT_ONCE: usize = 128;
/// How long what could not be said rests, unless it is something else by then or another owner can say it.
const REST: Duration = Duration::from_mins(10);

/// Why a space does not get a handle, or does not get rid of its own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandleError {
    /// No space is called so.
    #[error("{}", .0[0])]
    Invalid(Vec<schemas::Violation>),
    /// Nobody has it: it would pass for whoever runs the service.
    #[error("the handle {0} is reserved: no space is called so; choose another one")]
    Reserved(String),
    /// Another space has it, or gave it up lately.
    #[error("the handle {0} is taken: another space has it, or gave it up within the last 30 days; choose another one")]
    Taken(String),
    /// The space changes its handle too often.
    #[error(
        "the space has given up {HANDLES_KEPT_MAX} handles within 30 days, and each is kept for it so long; take one \
         of these back, or wait"
    )]
    Kept,
    /// There is no such space, or no such account.
    #[error("no space {0} for this account; name one that exists")]
    NoSuchSpace(SpaceId),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl HandleError {
    /// The stable word for this failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "document_invalid",
            Self::Reserved(_) => "handle_reserved",
            Self::Taken(_) => "handle_taken",
            Self::Kept => "handles_kept",
            Self::NoSuchSpace(_) => "space_unknown",
            Self::Storage(error) => error.code(),
        }
    }
}

/// Gives a space a handle that no other space has, or takes its own away, by the rules for whoever asks: in its row,
/// which decides. That its document says so is for [`watch`], if it is for nobody else.
///
/// # Errors
/// [`HandleError`]
pub async fn claim(
    storage: &Storage,
    space: SpaceId,
    account: AccountId,
    handle: Option<&str>,
) -> Result<(), HandleError> {
    let violations = identity().check(&value_of(handle));
    if !violations.is_empty() {
        return Err(HandleError::Invalid(violations));
    }
    if let Some(handle) = handle.filter(|handle| RESERVED.contains(handle)) {
        return Err(HandleError::Reserved(handle.to_owned()));
    }
    match storage.claim_handle(space, account, handle).await? {
        Claim::Held => Ok(()),
        Claim::Taken => Err(HandleError::Taken(handle.unwrap_or_default().to_owned())),
        Claim::TooMany => Err(HandleError::Kept),
        Claim::NoSuchSpace => Err(HandleError::NoSuchSpace(space)),
    }
}

impl Pen<'_> {
    /// First the row, which decides, then the document, which says it. Whoever is stopped in between asks again, or
    /// [`watch`] does.
    pub(super) async fn name(&self, handle: Option<String>) -> Result<Done, WriteError> {
        claim(&self.app.storage, self.target.space(), self.target.account(), handle.as_deref()).await?;
        self.say_name().await
    }

    /// Says what the row has by now, whatever it was when somebody asked for this.
    pub(super) async fn say_name(&self) -> Result<Done, WriteError> {
        let space = self.target.space();
        let handle = self.app.storage.handle_of(space).await?;
        let done = self.create(TYPE.to_owned(), value_of(handle.as_deref())).await?;
        self.app.storage.note_handle_shown(space, handle.as_deref()).await?;
        Ok(done)
    }
}

fn identity() -> &'static DocumentType {
    Registry::builtin().get(TYPE).unwrap_or_else(|| unreachable!("identity is a built-in type"))
}

fn value_of(handle: Option<&str>) -> Value {
    json!({ "handle": handle })
}

/// Says what is unsaid: of a command beside this relay, or of a relay that ended in between. Looks again and again; it
/// does not end by itself.
pub async fn watch(app: &App) {
    let mut poll = tokio::time::interval(app.config.access_poll());
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut resting = HashMap::new();
    loop {
        poll.tick().await;
        if let Err(error) = say_all(app, &mut resting).await {
            warn!(error.code = error.code(), "Cannot ask which handles are unsaid: {error}");
        }
    }
}

/// What fails rests, so that it is neither tried nor complained of all the time.
async fn say_all(app: &App, resting: &mut HashMap<UnshownHandle, Instant>) -> Result<(), StorageError> {
    resting.retain(|_, failed_at| failed_at.elapsed() < REST);
    let mut after = None;
    loop {
        let unshown = app.storage.unshown_handles(after, AT_ONCE).await?;
        let Some(last) = unshown.last() else { return Ok(()) };
        after = Some(last.space);
        for one in unshown {
            if resting.contains_key(&one) {
                continue;
            }
            if let Err(error) = say(app, &one).await {
                warn!(space.id = %one.space, "The handle of space {} is not said yet: {error}", one.space);
                resting.insert(one, Instant::now());
            }
        }
    }
}

async fn say(app: &App, unshown: &UnshownHandle) -> Result<(), Box<dyn Error + Send + Sync>> {
    let target = access::writable_for(app, unshown.account, unshown.space).await?;
    super::perform(app, target, Deed::SayName, None).await?;
    Ok(())
}

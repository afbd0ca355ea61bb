//! Short names of spaces. Storage decides whose a handle is; the identity document of the space, which the relay alone
//! writes, tells its devices (docs/decisions/0026-authority.md).

use std::error::Error;

use relay_storage::{Claim, StorageError, UnshownHandle};
use serde_json::{Value, json};
use tracing::warn;

use super::error::{Violation, WriteError};
use super::{Deed, Done, Pen, compose};
use crate::access;
use crate::app::App;

/// The type of the document that says the handle.
pub const TYPE: &str = "identity";
/// Handles that would pass for somebody who speaks for the service.
const RESERVED: [&str; 8] = ["admin", "help", "operator", "root", "security", "staff", "support", "symphony"];
/// Spaces that are looked at in one go when the relay starts.
const AT_ONCE: usize = 128;

impl Pen<'_> {
    /// First the row, which decides, then the document, which says it. Whoever is stopped in between asks again, or
    /// [`catch_up`] does.
    pub(super) async fn name(&self, handle: Option<String>) -> Result<Done, WriteError> {
        let violations = compose::type_named(&self.types, Some(TYPE))?.check(&value_of(handle.as_deref()));
        if !violations.is_empty() {
            return Err(WriteError::Invalid(violations.into_iter().map(Violation::from).collect()));
        }
        if let Some(handle) = handle.as_ref().filter(|handle| RESERVED.contains(&handle.as_str())) {
            return Err(WriteError::HandleTaken(handle.clone()));
        }
        let (space, account) = (self.target.space(), self.target.account());
        match self.app.storage.claim_handle(space, account, handle.as_deref()).await? {
            Claim::Held => self.say_name().await,
            Claim::Taken => Err(WriteError::HandleTaken(handle.unwrap_or_default())),
            Claim::TooMany => Err(WriteError::HandlesKept),
            Claim::NoSuchSpace => Err(WriteError::NotEditor(space)),
        }
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

fn value_of(handle: Option<&str>) -> Value {
    json!({ "handle": handle })
}

/// Writes what a relay that ended in between has left unsaid. What cannot be said now is tried again at the next start.
pub async fn catch_up(app: &App) {
    let mut after = None;
    loop {
        let unshown = match app.storage.unshown_handles(after, AT_ONCE).await {
            Ok(unshown) => unshown,
            Err(error) => return failed(&error),
        };
        let Some(last) = unshown.last() else { return };
        after = Some(last.space);
        for one in unshown {
            if let Err(error) = say(app, &one).await {
                warn!(space.id = %one.space, "The handle of space {} is not said: {error}", one.space);
            }
        }
    }
}

async fn say(app: &App, unshown: &UnshownHandle) -> Result<(), Box<dyn Error + Send + Sync>> {
    let target = access::writable_for(app, unshown.account, unshown.space).await?;
    super::perform(app, target, Deed::SayName, None).await?;
    Ok(())
}

fn failed(error: &StorageError) {
    warn!(error.code = error.code(), "Handles are not looked at: {error}");
}

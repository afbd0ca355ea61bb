//! The owner of a space repairs a document of it that is held. The operator's command does the same without a relay.

use document::RepairError as Found;
use relay_storage::{AppendVoidError, DocumentState, Voided};
use sync_wire::{ChangeHash, DocumentId, SpaceId};
use tracing::info;

use crate::access::Owned;
use crate::app::App;
use crate::metrics;
use crate::relay::check;
use crate::repair::{self, Plan, RepairError, Target};

/// Why nothing was repaired.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairFailure {
    /// The document, or what was named, speaks against it.
    #[error(transparent)]
    Repair(#[from] RepairError),
    /// Trying it here could harm everybody else.
    #[error("{why}: the operator of the relay has to do it, with `sync-server repair {space} {document}`")]
    Operator {
        /// The space.
        space: SpaceId,
        /// The document.
        document: DocumentId,
        /// Why.
        why: String,
    },
    /// The work was not finished.
    #[error("the repair ended early: {0}")]
    Stopped(String),
}

impl RepairFailure {
    /// Whether the document itself is what stands against it, and not the relay's state.
    #[must_use]
    pub const fn is_of_document(&self) -> bool {
        match self {
            Self::Operator { .. } => true,
            Self::Stopped(_) | Self::Repair(RepairError::Storage(_)) => false,
            Self::Repair(RepairError::Append(error)) => !matches!(error, AppendVoidError::Storage(_)),
            Self::Repair(RepairError::Repair(error)) => !matches!(error, Found::Unreadable(_)),
            Self::Repair(_) => true,
        }
    }
}

/// What a repair would do; `None` if nothing is to be repaired.
///
/// # Errors
/// [`RepairFailure`]
pub async fn look(
    app: &App,
    owned: &Owned,
    document: DocumentId,
    named: Vec<ChangeHash>,
) -> Result<Option<Plan>, RepairFailure> {
    plan(app, &Target { space: owned.space(), document, named }).await
}

/// Repairs a held document; `None` if nothing is to be repaired. Doing it again changes nothing.
///
/// # Errors
/// [`RepairFailure`]
pub async fn repair(
    app: &App,
    owned: &Owned,
    document: DocumentId,
    named: Vec<ChangeHash>,
) -> Result<Option<(Plan, Voided)>, RepairFailure> {
    let space = owned.space();
    // Nobody checks it meanwhile.
    let mut checkout = app.checker.checkout(space, document).await;
    let Some(plan) = plan(app, &Target { space, document, named }).await? else { return Ok(None) };
    let voided = repair::carry_out(&app.storage, &plan).await?;
    checkout.discard();
    drop(checkout);
    // Memory of the log's end is of pushes only.
    app.tails.forget(space);
    app.hub.hint(space, voided.at);
    app.checker.changed(space, document, voided.entries as u64);
    let (excluded, written) = (plan.excluded.len(), plan.dependents.iter().filter(|one| one.by.is_some()).count());
    metrics::repaired(excluded, written, plan.dependents.len() - written);
    info!(
        space.id = %space, document.id = %document, account.id = %owned.account(), position = %voided.at,
        "Account {} repaired document {document}: {excluded} changes excluded, {written} written anew", owned.account()
    );
    Ok(Some((plan, voided)))
}

async fn plan(app: &App, target: &Target) -> Result<Option<Plan>, RepairFailure> {
    let Some(state) = app.storage.document(target.space, target.document).await.map_err(RepairError::from)? else {
        return Err(RepairError::Unknown { space: target.space, document: target.document }.into());
    };
    is_harmless(app, &state)?;
    let Some(ground) = repair::read(&app.storage, target).await? else { return Ok(None) };
    let tried = target.clone();
    let planned = app.runtime.blocking(move || ground.plan(&tried)).await.map_err(RepairFailure::Stopped)?;
    Ok(Some(planned?))
}

/// A check that ended the relay is not run in it again, and one request must not take all of its memory.
fn is_harmless(app: &App, state: &DocumentState) -> Result<(), RepairFailure> {
    let max = app.config.api.version_bytes_max;
    let why = match &state.held {
        Some(reason) if check::has_ended_the_relay(reason) => reason.clone(),
        Some(_) if state.bytes > max => format!("it has {} bytes, and {max} are tried in a request", state.bytes),
        _ => return Ok(()),
    };
    Err(RepairFailure::Operator { space: state.space, document: state.document, why })
}

//! What of an account was refused in a space, for whoever may read it.

use relay_storage::{IntakeTotals, QuarantinePage, QuarantineQuery, StorageError};
use sync_wire::AccountId;

use crate::access::Readable;
use crate::app::App;

/// The refused changes of one account, the newest first.
///
/// # Errors
/// [`StorageError`]
pub async fn list(
    app: &App,
    source: &Readable,
    account: AccountId,
    before: Option<i64>,
    limit: usize,
) -> Result<QuarantinePage, StorageError> {
    let mine = QuarantineQuery { space: Some(source.space()), account: Some(account), before, ..Default::default() };
    app.storage.quarantine(mine, limit).await
}

/// How much of one account waits in a space for its check.
///
/// # Errors
/// [`StorageError`]
pub async fn waiting(app: &App, source: &Readable, account: AccountId) -> Result<IntakeTotals, StorageError> {
    app.storage.intake_of_account(source.space(), account).await
}

//! A refused change with what it rests on: from the log, and from what is kept of other refused changes.
//!
//! What was refused because it cannot be read or would do harm is never loaded, and neither is what rests on it. The
//! rest was not checked, only refused with others or for its name. So it is run like a push: noted, in case that it
//! ends the relay.

use std::sync::Arc;

use document::{Change, Document, Past};
use relay_storage::{KeptChange, RefusedChange, RefusedPast};
use sync_wire::{AccountId, ChangeHash, FateCode};

use crate::app::App;
use crate::relay::check::{self, CheckError};

/// A refused change as its author had it.
#[derive(Debug)]
pub(in crate::relay) struct Seen {
    /// With what it rests on.
    pub(in crate::relay) past: Past,
    /// The change of the document that goes on with what could be kept of it.
    pub(in crate::relay) continued_by: Option<ChangeHash>,
}

/// Puts a refused change together, of a document that is `now` like this. An error of the second kind says why it
/// cannot be.
pub(in crate::relay) async fn put_together(
    app: &App,
    account: AccountId,
    now: Document,
    refused: RefusedPast,
) -> Result<Result<Seen, String>, CheckError> {
    let changes = match changes_of(&now, refused) {
        Ok(changes) => changes,
        Err(detail) => return Ok(Err(detail)),
    };
    let read = app.runtime.blocking(move || (now.changes(), now)).await;
    let (known, now) = read.map_err(CheckError::Panicked)?;
    let mut known = match known {
        Ok(known) => known,
        Err(error) => return Ok(Err(error.to_string())),
    };
    known.extend(changes.iter().map(|(_, change)| change.clone()));
    let known = Arc::new(known);
    let Some(((own, _), before)) = changes.split_last() else { return Ok(Err(GONE.to_owned())) };
    let mut together = changes.len();
    if check::is_suspect(app, own.space, own.document) {
        for (change, _) in before {
            let (hash, known) = (change.hash, Arc::clone(&known));
            let tried = move || Past::of(hash, known.iter().cloned()).map(drop);
            if let Err(error) = check::on_refused(app, account, change, 1, tried).await? {
                return Ok(Err(error.to_string()));
            }
        }
        together = 1;
    }
    let (hash, culprit) = (own.hash, own.culprit.unwrap_or(own.hash));
    let work = move || {
        let past = Past::of(hash, known.iter().cloned()).map_err(|error| error.to_string())?;
        let continued_by = past.continued_in(&now, culprit).map_err(|error| error.to_string())?;
        Ok(Seen { past, continued_by })
    };
    check::on_refused(app, account, own, together, work).await
}

const GONE: &str = "its bytes are not kept any more; the device that made it has them";

/// The refused changes that have to be run, the one itself last.
fn changes_of(now: &Document, refused: RefusedPast) -> Result<Vec<(RefusedChange, Change)>, String> {
    let RefusedPast { kept, before, is_whole } = refused;
    if let Some(detail) = never_loaded(kept.change.code) {
        return Err(detail);
    }
    if !is_whole {
        return Err("it rests on too many changes that were refused as well".to_owned());
    }
    let mut changes = Vec::with_capacity(before.len() + 1);
    for KeptChange { change, bytes } in before {
        // Another device of the account may have brought it into the log.
        if now.contains(&change.hash) {
            continue;
        }
        if let Some(detail) = never_loaded(change.code) {
            return Err(format!("it rests on change {}: {detail}", change.hash.short()));
        }
        // Without its bytes it is missed where something rests on it.
        if let Some(parsed) = bytes.and_then(|bytes| Change::parse(bytes).ok()) {
            changes.push((change, parsed));
        }
    }
    let bytes = kept.bytes.ok_or(GONE)?;
    let own = Change::parse(bytes).map_err(|error| error.to_string())?;
    changes.push((kept.change, own));
    Ok(changes)
}

/// Why a change that was refused for this reason is not even looked at.
pub(super) fn never_loaded(code: FateCode) -> Option<String> {
    let is_so = matches!(code, FateCode::DANGEROUS | FateCode::UNDECODABLE);
    is_so.then(|| format!("it was refused as {}, so the relay does not load it", code.name()))
}

//! A device's storage, in memory: what is pending and what became of it, what was delivered, and where it stands.

use std::collections::BTreeMap;

use sync_core::client::{self, Lanes, OutboxBatch, Verdict};
use sync_wire::log::EntryKind;
use sync_wire::*;

use super::relay::digest;

/// A device's storage.
#[derive(Clone)]
pub(crate) struct Vault {
    pub(crate) device: DeviceId,
    pub(crate) outbox: Vec<OutboxBatch>,
    pub(crate) fates: BTreeMap<BatchId, Verdict>,
    pub(crate) changes: BTreeMap<ChangeHash, Blob>,
    pub(crate) cursor: Option<Cursor>,
    pub(super) next_order: u64,
}

impl Vault {
    pub(super) fn new(n: u8) -> Self {
        let (outbox, fates, changes) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        Self { device: DeviceId([n; 16]), outbox, fates, changes, cursor: None, next_order: 1 }
    }

    pub(super) fn is_pending(&self, batch: &OutboxBatch) -> bool {
        let lane_is_closed = self.outbox.iter().any(|other| {
            other.document == batch.document && matches!(self.fates.get(&other.batch), Some(Verdict::Parked { .. }))
        });
        matches!(self.fates.get(&batch.batch), None | Some(Verdict::Stored)) && !lane_is_closed
    }

    pub(super) fn commit(&mut self, entry: &Entry) -> Result<Lanes, String> {
        if entry.kind == EntryKind::Restore {
            return Ok(self.unpark(FateCode::DELETED));
        }
        match &entry.bytes {
            Some(bytes) => {
                let is_new = self.changes.insert(entry.hash, bytes.clone()).is_none();
                return Ok(if is_new { self.unpark(FateCode::MISSING) } else { Lanes::Unchanged });
            }
            None if self.changes.contains_key(&entry.hash) => {}
            None => return Err(format!("entry {} came without bytes and is not here", entry.hash)),
        }
        Ok(Lanes::Unchanged)
    }

    /// What was parked under other limits is pending again.
    pub(super) fn apply_limits(&mut self, limits_version: u64) {
        let is_over = |verdict: &Verdict| match verdict {
            Verdict::Parked { code: FateCode::QUOTA, judged_by, .. } => *judged_by != limits_version,
            _ => false,
        };
        self.fates.retain(|_, verdict| !is_over(verdict));
    }

    pub(super) fn unpark(&mut self, wanted: FateCode) -> Lanes {
        let before = self.fates.len();
        self.fates.retain(|_, verdict| !matches!(verdict, Verdict::Parked { code, .. } if *code == wanted));
        Lanes::opened(before - self.fates.len())
    }
}

pub(super) fn apply_grant(vault: &mut Vault, grant: &Grant) {
    if let Resume::Bootstrap { at, chain } = grant.resume {
        let bootstrap = (at > Position::START).then_some(BootstrapPoint { at, after: None });
        let at = LogPosition { epoch: grant.end.epoch, position: at };
        vault.cursor = Some(Cursor { space: grant.space, at, chain, bootstrap });
    }
    let unparked = |verdict: &Verdict| match verdict {
        Verdict::Parked { judged_by, .. } => *judged_by == grant.access_version,
        _ => true,
    };
    vault.fates.retain(|_, verdict| unparked(verdict));
}

pub(super) fn commit_delivery(vault: &mut Vault, deliver: &Deliver) -> client::Input {
    use client::Input;
    let Some(cursor) = vault.cursor.filter(|cursor| cursor.at == deliver.after) else {
        return Input::Rejected { detail: "not where I stand".into() };
    };
    let chain = deliver.entries.iter().fold(cursor.chain, |chain, entry| chain.extend(&digest(entry)));
    if chain != deliver.chain {
        return Input::Rejected { detail: "broken chain".into() };
    }
    let mut lanes = Lanes::Unchanged;
    for entry in &deliver.entries {
        match vault.commit(entry) {
            Ok(opened) => lanes = lanes.and(opened),
            Err(detail) => return Input::Rejected { detail },
        }
        let fate = vault.fates.entry(entry.batch).or_insert(Verdict::Stored);
        if *fate == Verdict::Stored {
            *fate = Verdict::Accepted { at: deliver.end() };
        }
    }
    let cursor = Cursor { at: deliver.end(), chain, ..cursor };
    vault.cursor = Some(cursor);
    Input::Committed { cursor, lanes }
}

pub(super) fn commit_bootstrap(vault: &mut Vault, bootstrap: &Bootstrap) -> client::Input {
    use client::Input;
    let Some(mut cursor) = vault.cursor else { return Input::Rejected { detail: "no cursor".into() } };
    let mut lanes = Lanes::Unchanged;
    for document in &bootstrap.documents {
        for positioned in &document.entries {
            match vault.commit(&positioned.entry) {
                Ok(opened) => lanes = lanes.and(opened),
                Err(detail) => return Input::Rejected { detail },
            }
        }
        cursor.bootstrap = cursor.bootstrap.map(|point| BootstrapPoint { after: Some(document.document), ..point });
    }
    if bootstrap.done {
        cursor.bootstrap = None;
    }
    vault.cursor = Some(cursor);
    Input::Committed { cursor, lanes }
}

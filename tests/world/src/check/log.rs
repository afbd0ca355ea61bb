//! The log: dense, chained, each change once, each batch whole, and nothing missing that somebody was told of.

use std::collections::{BTreeMap, BTreeSet};

use document::{Change, mend};
use sync_wire::log::{EntryIdentity, EntryKind};
use sync_wire::{BatchId, Chain, ChangeHash, DocumentId, Position, SpaceId, Void};

use super::{Logs, SpaceLog};
use crate::failure::Failure;
use crate::ledger::Ledger;

pub(super) fn check(logs: &Logs, ledger: &Ledger) -> Result<(), Failure> {
    for (space, log) in logs {
        is_chained(*space, log)?;
        has_each_change_once(*space, log)?;
        has_whole_batches(*space, log, ledger)?;
        has_one_seed_of_each(*space, log)?;
        voids_follow(*space, log)?;
        deletes_what_was_known(*space, log)?;
    }
    has_what_was_acked(logs, ledger)?;
    has_what_was_delivered(logs, ledger)
}

fn is_chained(space: SpaceId, log: &SpaceLog) -> Result<(), Failure> {
    let broken = |detail: String| Failure::raise("the log is dense and chained", format!("space {space}: {detail}"));
    let mut chain = Chain::START;
    for (expected, record) in (1..).map(Position).zip(&log.records) {
        if record.position != expected {
            return broken(format!("after {} comes {}", expected.0 - 1, record.position));
        }
        let identity = EntryIdentity {
            kind: record.kind,
            document: record.document,
            hash: record.hash,
            device: record.device,
            batch: record.batch,
        };
        if identity.digest(&log.salt) != record.digest {
            return broken(format!("the digest at {expected} is not that of its entry"));
        }
        chain = chain.extend(&record.digest);
        if record.chain.is_some_and(|kept| kept != chain) {
            return broken(format!("the chain at {expected} is not what the entries give"));
        }
    }
    let end = Position(log.records.len() as u64);
    if (log.end, log.chain) != (end, chain) {
        return broken(format!(
            "it says that it ends at {} and has {end} entries, or its last chain is wrong",
            log.end
        ));
    }
    Ok(())
}

fn has_each_change_once(space: SpaceId, log: &SpaceLog) -> Result<(), Failure> {
    let mut places: BTreeMap<(DocumentId, ChangeHash), Position> = BTreeMap::new();
    for record in &log.records {
        if let Some(before) = places.insert((record.document, record.hash), record.position) {
            let detail =
                format!("space {space} has {} of {} at {before} and {}", record.hash, record.document, record.position);
            return Failure::raise("the log has each change once", detail);
        }
        if record.kind == EntryKind::Change
            && document::Header::parse(&record.bytes).ok().map(|header| header.hash) != Some(record.hash)
        {
            let detail = format!("the bytes at {} of space {space} are not change {}", record.position, record.hash);
            return Failure::raise("the log has each change once", detail);
        }
    }
    Ok(())
}

/// Whoever needs a seed makes the same bytes, so a document has one for each note that seeds carry.
fn has_one_seed_of_each(space: SpaceId, log: &SpaceLog) -> Result<(), Failure> {
    let mut seeds: BTreeMap<(DocumentId, String), ChangeHash> = BTreeMap::new();
    for record in log.records.iter().filter(|record| record.kind == EntryKind::Change) {
        let Ok(header) = document::Header::parse(&record.bytes) else { continue };
        let Some(note) = header.message.filter(|_| document::Seed::is_seed_actor(&header.actor)) else { continue };
        let place = (record.document, note);
        let before = seeds.insert(place.clone(), record.hash);
        if let Some(before) = before.filter(|before| *before != record.hash) {
            let detail = format!("space {space} has {before} and {} as {:?} of {}", record.hash, place.1, place.0);
            return Failure::raise("seeds are the same everywhere", detail);
        }
    }
    Ok(())
}

/// A void excludes what rests on what is at fault, and has the replacements of that behind it.
fn voids_follow(space: SpaceId, log: &SpaceLog) -> Result<(), Failure> {
    let broken = |at: Position, what: &str| {
        Failure::raise("a repair keeps what it can", format!("the void at {at} of space {space} {what}"))
    };
    let mut gone: BTreeSet<(DocumentId, ChangeHash)> = BTreeSet::new();
    for (index, record) in log.records.iter().enumerate().filter(|(_, record)| record.kind == EntryKind::Void) {
        let at = record.position;
        let Ok(void) = Void::decode(&record.bytes) else { return broken(at, "cannot be read") };
        let before = log.records[..index].iter().filter(|one| {
            let is_of_it = one.kind == EntryKind::Change && one.document == record.document;
            is_of_it && !gone.contains(&(one.document, one.hash))
        });
        let changes: Vec<Change> = before.filter_map(|one| Change::parse(one.bytes.clone().into()).ok()).collect();
        let mended = mend(&void.excluded, &changes, |_| None);
        if mended.void != void {
            return broken(at, "excludes or replaces other changes than follow from the log before it");
        }
        for replacement in void.replacements() {
            let is_there = log.records.iter().any(|one| (one.document, one.hash) == (record.document, replacement));
            if !is_there {
                return broken(at, "names a replacement that is not in the log");
            }
        }
        gone.extend(void.changes().map(|hash| (record.document, hash)));
    }
    Ok(())
}

/// A deletion names every head that its document had when it was appended: an edit that it did not know wins.
fn deletes_what_was_known(space: SpaceId, log: &SpaceLog) -> Result<(), Failure> {
    let mut documents: BTreeMap<DocumentId, Vec<(ChangeHash, Vec<ChangeHash>)>> = BTreeMap::new();
    for record in &log.records {
        let changes = documents.entry(record.document).or_default();
        match record.kind {
            EntryKind::Change => {
                let header = document::Header::parse(&record.bytes).map_err(anyhow::Error::from)?;
                changes.push((record.hash, header.deps));
            }
            EntryKind::Void => {
                let Ok(void) = Void::decode(&record.bytes) else { continue }; // said elsewhere
                let gone: BTreeSet<ChangeHash> = void.changes().collect();
                changes.retain(|(hash, _)| !gone.contains(hash));
            }
            EntryKind::Tombstone => {
                let named: BTreeSet<ChangeHash> = record.named_heads().collect();
                let below: BTreeSet<&ChangeHash> = changes.iter().flat_map(|(_, deps)| deps).collect();
                let mut heads = changes.iter().map(|(hash, _)| hash).filter(|hash| !below.contains(hash));
                if let Some(unknown) = heads.find(|head| !named.contains(head)) {
                    let detail = format!(
                        "at {} of space {space} {} is deleted, and {unknown} of it was not known",
                        record.position, record.document
                    );
                    return Failure::raise("edits win over deletions that did not know them", detail);
                }
            }
            EntryKind::Restore | EntryKind::Erased => {}
        }
    }
    Ok(())
}

/// The entries of a batch lie together, and are all of those that the batch had and that were not there before.
fn has_whole_batches(space: SpaceId, log: &SpaceLog, ledger: &Ledger) -> Result<(), Failure> {
    let broken = |detail: String| Failure::raise("batches are whole", format!("space {space}: {detail}"));
    let mut runs: BTreeMap<BatchId, Vec<(Position, ChangeHash)>> = BTreeMap::new();
    let is_void = |record: &&super::Record| record.kind == EntryKind::Void;
    let repairs: BTreeSet<BatchId> = log.records.iter().filter(is_void).map(|record| record.batch).collect();
    // How an attacker names its batches is its own business.
    for record in log.records.iter().filter(|record| Some(record.device) != ledger.hostile) {
        let run = runs.entry(record.batch).or_default();
        if run.last().is_some_and(|(last, _)| last.next() != record.position) {
            return broken(format!("batch {} begins again at {}", record.batch, record.position));
        }
        run.push((record.position, record.hash));
    }
    let known: BTreeMap<(DocumentId, ChangeHash), Position> =
        log.records.iter().map(|record| ((record.document, record.hash), record.position)).collect();
    for (batch, run) in &runs {
        let last = run[run.len() - 1].0;
        if log.records[last.0 as usize - 1].chain.is_none() {
            return broken(format!("batch {batch} ends at {last}, where no chain is kept"));
        }
        if repairs.contains(batch) {
            continue; // nobody pushed it
        }
        let Some(pushed) = ledger.pushed.get(&(space, *batch)) else {
            return broken(format!("batch {batch} at {last} was sent by nobody"));
        };
        if let Some(hash) = pushed.hashes.iter().find(|hash| !known.contains_key(&(pushed.document, **hash))) {
            return broken(format!("batch {batch} is in the log up to {last} without its change {hash}"));
        }
    }
    Ok(())
}

fn has_what_was_acked(logs: &Logs, ledger: &Ledger) -> Result<(), Failure> {
    for ((space, batch), acked) in &ledger.acked {
        let lost = |detail: String| {
            let said = format!("batch {batch} of space {space} was acked at {}", acked.at);
            Failure::raise("acked is durable", format!("{said}, and {detail}"))
        };
        let Some(log) = logs.get(space) else { return lost("the space is gone".to_owned()) };
        let Some(pushed) = ledger.pushed.get(&(*space, *batch)) else {
            return lost("nobody had sent it".to_owned());
        };
        let record = acked.at.position.0.checked_sub(1).and_then(|index| log.records.get(index as usize));
        let Some(record) = record.filter(|_| acked.at.epoch == log.epoch || ledger.relay_restores > 0) else {
            return lost(format!("the log ends at {}:{}", log.epoch, log.end));
        };
        if (record.document, Some(&record.hash)) != (acked.document, pushed.hashes.last()) {
            return lost(format!("there is {} of {}", record.hash, record.document));
        }
        if acked.chain.is_some_and(|chain| record.chain != Some(chain)) {
            return lost("the chain there is another".to_owned());
        }
    }
    Ok(())
}

fn has_what_was_delivered(logs: &Logs, ledger: &Ledger) -> Result<(), Failure> {
    for ((space, at), delivered) in &ledger.delivered {
        let record = logs.get(space).and_then(|log| log.records.get((at.0 as usize).checked_sub(1)?));
        let found = record.map(|record| (record.document, record.hash, record.batch));
        if found != Some((delivered.document, delivered.hash, delivered.batch)) {
            let detail = format!("at {at} of space {space} was {delivered:?} and is now {found:?}");
            return Failure::raise("the log does not change", detail);
        }
    }
    Ok(())
}

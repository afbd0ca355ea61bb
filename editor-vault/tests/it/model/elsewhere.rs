//! What the relay and other devices do.

use std::collections::{BTreeMap, BTreeSet};

use editor_vault::FateCode;
use sync_wire::log::EntryKind;
use sync_wire::{Actor, BatchId, ChangeHash, Content, DocumentId, Push};

use super::Both;
use super::naive::lane::Contact;
use super::naive::{Fate, Naive};
use super::step::{Judgement, SETTINGS};
use crate::recovery::{is_seed, settle};
use crate::relay::Answer;

/// What the relay does with pushes, as its judge reads it.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) judgements: BTreeMap<DocumentId, Judgement>,
    limits_version: u64,
    /// No edits, and never refused.
    pub(super) makings: BTreeSet<ChangeHash>,
    refused: BTreeSet<ChangeHash>,
    /// They were stored, and are in the log by now.
    placed: BTreeSet<BatchId>,
    deleted: BTreeSet<DocumentId>,
    purged: BTreeSet<DocumentId>,
}

impl Script {
    pub(super) const fn new() -> Self {
        Self {
            judgements: BTreeMap::new(),
            limits_version: 1,
            makings: BTreeSet::new(),
            refused: BTreeSet::new(),
            placed: BTreeSet::new(),
            deleted: BTreeSet::new(),
            purged: BTreeSet::new(),
        }
    }

    pub(super) fn judge(&mut self, push: &Push) -> Answer {
        let hash = match &push.content {
            Content::Changes(changes) => document::Header::parse(&changes[0]).ok().map(|header| header.hash),
            Content::Tombstone(_) | Content::Restore => None,
        };
        if is_seed(push) || self.placed.contains(&push.batch) {
            return Answer::Take;
        }
        if self.purged.contains(&push.document) {
            return Answer::Refuse(FateCode::GONE);
        }
        if hash.is_some_and(|hash| self.refused.contains(&hash)) {
            return Answer::Refuse(FateCode::DANGEROUS);
        }
        if hash.is_some() && self.deleted.contains(&push.document) {
            return Answer::Park(FateCode::DELETED, self.limits_version);
        }
        let answer = match (self.judgements.get(&push.document), hash) {
            (Some(Judgement::Store), _) => Answer::Store,
            (Some(Judgement::Park), _) => return Answer::Park(FateCode::SCHEMA, self.limits_version),
            (Some(Judgement::RefuseNext), Some(hash)) if !self.makings.contains(&hash) => {
                self.refused.insert(hash);
                self.judgements.insert(push.document, Judgement::Take);
                return Answer::Refuse(FateCode::DANGEROUS);
            }
            _ => Answer::Take,
        };
        match &push.content {
            Content::Tombstone(_) => drop(self.deleted.insert(push.document)),
            Content::Restore => drop(self.deleted.remove(&push.document)),
            Content::Changes(_) => {}
        }
        answer
    }
}

impl Both {
    pub(super) fn sync(&mut self) {
        // Nobody knows whether something is saved before or after its document is gone for good.
        if self.documents.iter().any(|naive| naive.is_purged_at_relay && !naive.window.is_empty()) {
            self.flush();
        }
        let (vault, line) = self.open.as_mut().unwrap();
        settle(&self.relay, vault, line);
        let contact = Contact { is_new: !self.is_connected, limits_version: self.limits_version };
        for document in &mut self.documents {
            document.sync(contact);
        }
        (self.is_connected, self.is_logged_in) = (true, true);
    }

    pub(super) fn judge(&mut self, at: usize, judgement: Judgement) {
        // What a relay has stored it does not judge otherwise by a whim.
        let is_stored = self.documents[at].has(|fate| matches!(fate, Fate::Stored { .. }));
        let Some(id) = self.ids[at].filter(|_| !is_stored) else { return };
        self.documents[at].judgement = Some(judgement);
        self.script.lock().unwrap().judgements.insert(id, judgement);
    }

    pub(super) fn new_limits(&mut self) {
        self.limits_version += 1;
        self.script.lock().unwrap().limits_version = self.limits_version;
        self.relay.state().limits_version = self.limits_version;
    }

    pub(super) fn settle(&mut self) {
        let mut state = self.relay.state();
        self.script.lock().unwrap().placed.extend(state.stored().iter().map(|push| push.batch));
        state.take_stored();
        drop(state);
        self.documents.iter_mut().for_each(Naive::place);
    }

    pub(super) fn remote(&mut self, at: usize, key: u8, changes: u8) {
        let Some(id) = self.ids[at] else { return };
        let naive = &mut self.documents[at];
        if naive.is_deleted() || naive.is_deleted_at_relay || (at != SETTINGS && !naive.is_in_log()) {
            return;
        }
        let (log, known) = self.relay.document("alice", id);
        let mut theirs = if known.is_empty() { document::Document::new(Some("settings")) } else { log };
        for _ in 0..changes {
            self.values += 1;
            let (key, value) = (format!("theirs-{key}"), self.values);
            let path = format!("{}{key}", super::prefix(at));
            let actor = Actor([0x80 | (self.crashes as u8 % 8); 16]);
            theirs.edit::<_, document::Violation>(actor, |draft| draft.put(&path, value.into())).unwrap();
            let sealed = theirs.seal(0).unwrap().unwrap();
            for change in sealed.seeds.iter().chain(&sealed.changes).filter(|change| !known.contains(&change.hash())) {
                self.relay.append("alice", id, change);
            }
            naive.theirs_in_log.insert(key, value);
        }
        self.saw("written elsewhere");
    }

    /// Another device deletes the document or takes that back, in the log.
    pub(super) fn mark_elsewhere(&mut self, at: usize, is_deletion: bool) {
        let (Some(id), naive) = (self.ids[at], &mut self.documents[at]) else { return };
        let is_news = naive.is_deleted_at_relay != is_deletion && !naive.is_purged_at_relay;
        if at == SETTINGS || !naive.is_in_log() || naive.is_stored() || !is_news {
            return;
        }
        let heads = self.relay.document("alice", id).0.heads();
        let kind = if is_deletion { EntryKind::Tombstone } else { EntryKind::Restore };
        self.relay.append_marker("alice", id, kind, if is_deletion { &heads } else { &[] });
        naive.marks_in_log.push(is_deletion);
        naive.is_deleted_at_relay = is_deletion;
        let mut script = self.script.lock().unwrap();
        let _ = if is_deletion { script.deleted.insert(id) } else { script.deleted.remove(&id) };
        drop(script);
        self.saw(if is_deletion { "deleted elsewhere" } else { "restored elsewhere" });
    }

    /// The relay drops the content of what is deleted.
    pub(super) fn purge(&mut self, at: usize) {
        let (Some(id), naive) = (self.ids[at], &mut self.documents[at]) else { return };
        if !naive.is_deleted_at_relay || naive.is_purged_at_relay || naive.is_stored() {
            return;
        }
        naive.is_purged_at_relay = true;
        self.relay.purge("alice", id);
        self.script.lock().unwrap().purged.insert(id);
        self.saw("purged");
    }
}

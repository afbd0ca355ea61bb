//! A vault beside a document that somebody could explain: whatever its host, other devices and the relay do, in
//! whatever order, both show the same, and stand where they ought to, after every step; also if the vault is closed or
//! its process ends at any of them.
//!
//! Here each device writes keys of its own, so what a document shows follows without knowing how things merge.
//! `PROPTEST_CASES` and `PROPTEST_RNG_SEED` make a run longer, or another one.

mod naive; // what one document is
mod step; // what happens

use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use editor_vault::{Document, DocumentState, EditError, FateCode, Vault, Version};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError, TestError, TestRunner};
use sync_wire::planted::{Bug, plant};
use sync_wire::{Actor, ChangeHash, Content, DocumentId, Push};

use self::naive::{Fate, Kind, Naive, Put, Shown};
use self::step::{DOCUMENTS, Judgement, SETTINGS, Step, story};
use crate::inline::sight::Sight;
use crate::recovery::{is_seed, line, settle};
use crate::relay::Answer;
use crate::relay::inline::{InlineRelay, Line};

/// What the relay does with pushes, as its judge reads it.
#[derive(Debug, Default)]
struct Script {
    judgements: BTreeMap<DocumentId, Judgement>,
    limits_version: u64,
    /// No edits, and never refused.
    makings: BTreeSet<ChangeHash>,
    refused: BTreeSet<ChangeHash>,
    /// They were stored, and are in the log by now.
    placed: BTreeSet<ChangeHash>,
}

impl Script {
    fn judge(&mut self, push: &Push) -> Answer {
        let hash = match &push.content {
            Content::Changes(changes) => document::Header::parse(&changes[0]).ok().map(|header| header.hash),
            Content::Tombstone(_) | Content::Restore => None,
        };
        if is_seed(push) || hash.is_some_and(|hash| self.placed.contains(&hash)) {
            return Answer::Take;
        }
        if hash.is_some_and(|hash| self.refused.contains(&hash)) {
            return Answer::Refuse(FateCode::DANGEROUS);
        }
        match (self.judgements.get(&push.document), hash) {
            (Some(Judgement::Store), _) => Answer::Store,
            (Some(Judgement::Park), _) => Answer::Park(FateCode::SCHEMA, self.limits_version),
            (Some(Judgement::RefuseNext), Some(hash)) if !self.makings.contains(&hash) => {
                self.refused.insert(hash);
                self.judgements.insert(push.document, Judgement::Take);
                Answer::Refuse(FateCode::DANGEROUS)
            }
            _ => Answer::Take,
        }
    }
}

/// The vault, the model, and the relay between them and others.
struct Both {
    sight: Sight,
    relay: InlineRelay,
    script: Arc<Mutex<Script>>,
    /// Absent only while it is closed.
    open: Option<(Vault, Line)>,
    documents: [Naive; DOCUMENTS],
    ids: [Option<DocumentId>; DOCUMENTS],
    is_logged_in: bool,
    is_connected: bool,
    limits_version: u64,
    values: i64,
    crashes: usize,
    /// What happened that could have happened.
    seen: BTreeSet<&'static str>,
}

fn prefix(document: usize) -> &'static str {
    if document == SETTINGS { "/base/" } else { "/" }
}

impl Both {
    fn new() -> Self {
        let (sight, relay) = (Sight::new(1), InlineRelay::new(&["alice"]));
        let script = Arc::new(Mutex::new(Script { limits_version: 1, ..Script::default() }));
        let judged = script.clone();
        relay.judge(move |push| judged.lock().unwrap().judge(push));
        let vault = sight.open("laptop");
        let line = line(&vault);
        let mut documents: [Naive; DOCUMENTS] = Default::default();
        documents[SETTINGS].is_made = true;
        let mut ids = [None; DOCUMENTS];
        ids[SETTINGS] = Some(vault.well_known("settings").unwrap().id());
        Self {
            sight,
            relay,
            script,
            open: Some((vault, line)),
            documents,
            ids,
            is_logged_in: false,
            is_connected: false,
            limits_version: 1,
            values: 0,
            crashes: 0,
            seen: BTreeSet::new(),
        }
    }

    fn vault(&self) -> &Vault {
        &self.open.as_ref().unwrap().0
    }

    fn document(&self, at: usize) -> Option<Document> {
        let vault = self.vault();
        self.ids[at].map(|id| vault.document(vault.home(), id).unwrap())
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Edit { document, key } => self.edit(document, key),
            Step::Defer { document, key } => self.defer(document, key),
            Step::Undo { document } => self.take_back(document, Naive::can_undo, Document::undo, Naive::undo),
            Step::Redo { document } => self.take_back(document, Naive::can_redo, Document::redo, Naive::redo),
            Step::RestoreVersion { document, version } => self.restore_version(document, version),
            Step::ReadVersion { document, version } => self.read_version(document, version),
            Step::Delete { document } => self.delete(document),
            Step::Restore { document } => self.restore(document),
            Step::Wait => {
                self.sight.sources.advance(Duration::from_secs(1));
                while self.vault().run_due() > 0 {}
                self.sealed();
            }
            Step::Flush => {
                self.vault().flush().unwrap();
                self.sealed();
            }
            Step::Sync => self.sync(),
            Step::Disconnect => {
                let vault = self.vault().clone();
                self.open = Some((vault.clone(), line(&vault)));
                self.is_connected = false;
            }
            Step::Judge { document, judgement } => self.judge(document, judgement),
            Step::NewLimits => {
                self.limits_version += 1;
                self.script.lock().unwrap().limits_version = self.limits_version;
                self.relay.state().limits_version = self.limits_version;
            }
            Step::Settle => self.settle(),
            Step::Remote { document, key, changes } => self.remote(document, key, changes),
            Step::Reopen => {
                self.open = None;
                self.opened();
                self.sealed();
                assert_eq!(self.vault().verify().unwrap(), []);
            }
            Step::Crash => {
                let copy = format!("crash-{}", self.crashes);
                self.crashes += 1;
                self.sight.copy(self.vault().file(), &copy);
                self.open = None;
                self.sight.put_back(&copy, "laptop");
                self.documents.iter_mut().for_each(Naive::crash);
                self.opened();
                assert_eq!(self.vault().verify().unwrap(), []);
            }
        }
    }

    fn opened(&mut self) {
        let vault = self.sight.open("laptop");
        let line = line(&vault);
        (self.open, self.is_connected) = (Some((vault, line)), false);
    }

    /// The document, made if it is not there yet.
    fn made(&mut self, at: usize) -> Document {
        if self.ids[at].is_none() {
            let note = self.vault().create("note", Some(&format!("note {at}")), None).unwrap();
            self.ids[at] = Some(note.id());
            let hash = head(&note);
            self.script.lock().unwrap().makings.insert(hash);
            self.documents[at].is_made = true;
            self.documents[at].save(Kind::Making, None);
        }
        self.document(at).unwrap()
    }

    fn next_put(&mut self, at: usize, key: u8) -> Put {
        self.values += 1;
        self.documents[at].put(format!("own-{key}"), Some(self.values))
    }

    fn edit(&mut self, at: usize, key: u8) {
        let (document, put) = (self.made(at), self.next_put(at, key));
        let path = format!("{}{}", prefix(at), put.key);
        let done = document.edit(|draft| draft.put(&path, put.after.unwrap().into()));
        if self.is_refused_as_deleted(at, done) {
            return;
        }
        self.documents[at].seal(vec![put], head(&document));
    }

    fn defer(&mut self, at: usize, key: u8) {
        let (document, put) = (self.made(at), self.next_put(at, key));
        let path = format!("{}{}", prefix(at), put.key);
        let done = document.edit_deferred(|draft| draft.put(&path, put.after.unwrap().into()));
        if !self.is_refused_as_deleted(at, done.map(drop)) {
            self.documents[at].window.push(put);
        }
    }

    fn is_refused_as_deleted(&mut self, at: usize, done: Result<(), EditError>) -> bool {
        let is_deleted = self.documents[at].is_deleted;
        assert_eq!(done.err().map(|error| error.code()), is_deleted.then_some("deleted"));
        self.seen.extend(is_deleted.then_some("refused as deleted"));
        is_deleted
    }

    fn take_back(
        &mut self,
        at: usize,
        can: fn(&Naive) -> bool,
        does: fn(&Document) -> Result<ChangeHash, EditError>,
        did: fn(&mut Naive, ChangeHash),
    ) {
        let Some(document) = self.document(at).filter(|_| !self.documents[at].is_rewritten) else { return };
        // It waits for what was deferred, and here nobody else would save that.
        self.vault().flush().unwrap();
        self.sealed();
        let done = does(&document).map(drop);
        let naive = &mut self.documents[at];
        if naive.is_deleted {
            assert_eq!(done.unwrap_err().code(), "deleted");
        } else if can(naive) {
            done.unwrap();
            did(naive, head(&document));
            self.seen.insert("taken back");
        } else {
            let code = done.unwrap_err().code();
            assert!(matches!(code, "nothing_to_undo" | "nothing_to_redo"), "{code}");
        }
    }

    fn version(&self, at: usize, which: usize) -> Option<(Document, ChangeHash, Shown)> {
        let versions = self.documents[at].versions();
        let (hash, shown) = versions.get(which.checked_rem(versions.len())?)?.clone();
        Some((self.document(at)?, hash, shown))
    }

    fn restore_version(&mut self, at: usize, which: usize) {
        let Some((document, hash, then)) = self.version(at, which) else { return };
        if self.documents[at].is_deleted {
            return;
        }
        self.vault().flush().unwrap();
        self.sealed();
        let Some(puts) = self.documents[at].puts_to(&then) else { return };
        assert_eq!(document.restore(&Version::of(hash)).unwrap(), !puts.is_empty());
        if !puts.is_empty() {
            self.documents[at].seal(puts, head(&document));
            self.seen.insert("restored a version");
        }
    }

    fn read_version(&mut self, at: usize, which: usize) {
        let Some((document, hash, then)) = self.version(at, which) else { return };
        assert_eq!(shown(at, &document.value_at(&Version::of(hash)).unwrap()), then);
        self.seen.insert("read a version");
    }

    fn delete(&mut self, at: usize) {
        let Some(document) = self.document(at) else { return };
        let done = self.vault().delete(&document);
        if at == SETTINGS {
            assert_eq!(done.unwrap_err().code(), "well_known");
            return;
        }
        done.unwrap();
        let naive = &mut self.documents[at];
        if !naive.is_deleted {
            if !naive.window.is_empty() {
                naive.seal(Vec::new(), head(&document));
            }
            naive.save(Kind::Mark, None);
            naive.is_deleted = true;
            self.seen.insert("deleted");
        }
    }

    fn restore(&mut self, at: usize) {
        let Some(document) = self.document(at) else { return };
        self.vault().restore(&document).unwrap();
        let naive = &mut self.documents[at];
        if naive.is_deleted {
            naive.save(Kind::Mark, None);
            naive.is_deleted = false;
            self.seen.insert("restored");
        }
    }

    /// What was deferred is saved.
    fn sealed(&mut self) {
        for at in 0..DOCUMENTS {
            if !self.documents[at].window.is_empty() {
                let document = self.document(at).unwrap();
                self.documents[at].seal(Vec::new(), head(&document));
                self.seen.insert("sealed later");
            }
        }
    }

    fn sync(&mut self) {
        let (vault, line) = self.open.as_mut().unwrap();
        settle(&self.relay, vault, line);
        for document in &mut self.documents {
            document.sync(!self.is_connected, self.limits_version);
        }
        (self.is_connected, self.is_logged_in) = (true, true);
    }

    fn judge(&mut self, at: usize, judgement: Judgement) {
        // What a relay has stored it does not judge otherwise by a whim.
        let is_stored = self.documents[at].has(|fate| matches!(fate, Fate::Stored { .. }));
        let Some(id) = self.ids[at].filter(|_| !is_stored) else { return };
        self.documents[at].judgement = Some(judgement);
        self.script.lock().unwrap().judgements.insert(id, judgement);
    }

    fn settle(&mut self) {
        let mut state = self.relay.state();
        for push in state.stored() {
            if let Content::Changes(changes) = &push.content {
                let hashes = changes.iter().map(|bytes| document::Header::parse(bytes).unwrap().hash);
                self.script.lock().unwrap().placed.extend(hashes);
            }
        }
        state.take_stored();
        drop(state);
        self.documents.iter_mut().for_each(Naive::place);
    }

    fn remote(&mut self, at: usize, key: u8, changes: u8) {
        let Some(id) = self.ids[at] else { return };
        let naive = &mut self.documents[at];
        let (log, known) = self.relay.document("alice", id);
        if naive.is_deleted || (known.is_empty() && at != SETTINGS) {
            return;
        }
        let mut theirs = if known.is_empty() { document::Document::new(Some("settings")) } else { log };
        for _ in 0..changes {
            self.values += 1;
            let (key, value) = (format!("theirs-{key}"), self.values);
            let path = format!("{}{key}", prefix(at));
            let actor = Actor([0x80 | (self.crashes as u8 % 8); 16]);
            theirs.edit::<_, document::Violation>(actor, |draft| draft.put(&path, value.into())).unwrap();
            let sealed = theirs.seal(0).unwrap().unwrap();
            for change in sealed.seeds.iter().chain(&sealed.changes).filter(|change| !known.contains(&change.hash())) {
                self.relay.append("alice", id, change);
            }
            naive.theirs_in_log.insert(key, value);
        }
        self.seen.insert("written elsewhere");
    }

    /// Everything that can be seen of both.
    fn compare(&mut self) {
        let mut refused = 0;
        for at in 0..DOCUMENTS {
            let Some(document) = self.document(at) else { continue };
            let naive = &self.documents[at];
            if !naive.is_behind {
                assert_eq!(shown(at, &document.value().unwrap()), naive.shown(), "document {at}");
            }
            let status = document.status().unwrap();
            let is = (status.unsaved, status.deleted, status.pending_batches > 0, status.held.clone());
            assert_eq!(is, (!naive.window.is_empty(), naive.is_deleted, naive.is_open(), None), "{status:?}");
            let state = match &status.state {
                DocumentState::Parked { code: FateCode::SCHEMA, .. } => "parked",
                DocumentState::Quarantined { code: FateCode::DANGEROUS, .. } => "quarantined",
                state => state.name(),
            };
            let ought = if naive.has(|fate| matches!(fate, Fate::Parked { .. })) {
                "parked"
            } else if naive.has(|fate| fate == Fate::Refused) {
                "quarantined"
            } else if !self.is_logged_in || naive.has(|fate| fate == Fate::Pending) {
                "saved"
            } else if naive.has(|fate| matches!(fate, Fate::Stored { .. })) {
                "stored"
            } else {
                "synced"
            };
            assert_eq!(state, ought, "document {at}: {status:?}");
            self.seen.insert(ought);
            refused += naive.lane.iter().filter(|batch| batch.fate == Fate::Refused).count();
        }
        let quarantined = self.vault().quarantine().list().unwrap();
        assert_eq!(quarantined.iter().filter(|one| one.code == FateCode::DANGEROUS).count(), refused);
    }

    /// Whatever stood in the way is gone: everything arrives, and a new device shows it.
    fn finish(mut self) -> BTreeSet<&'static str> {
        self.step(&Step::Flush);
        self.script.lock().unwrap().judgements.clear();
        self.documents.iter_mut().for_each(|document| document.judgement = None);
        for step in [Step::Settle, Step::NewLimits, Step::Disconnect, Step::Sync] {
            self.step(&step);
            self.compare();
        }
        assert!(self.documents.iter().all(|document| !document.is_open()));
        assert_eq!(self.vault().verify().unwrap(), []);
        let desktop = self.sight.open("desktop");
        settle(&self.relay, &desktop, &mut line(&desktop));
        for at in 0..DOCUMENTS {
            let Some(id) = self.ids[at] else { continue };
            let theirs = desktop.document(desktop.home(), id).unwrap();
            assert_eq!(
                shown(at, &theirs.value().unwrap()),
                self.documents[at].shown(),
                "document {at} on a new device"
            );
            assert_eq!(theirs.status().unwrap().deleted, self.documents[at].is_deleted);
        }
        assert_eq!(desktop.verify().unwrap(), []);
        self.seen
    }
}

/// The change that everything in the document leads to.
fn head(document: &Document) -> ChangeHash {
    document.read(::document::Document::heads).unwrap()[0]
}

/// The keys of the model in the value of a document.
fn shown(at: usize, value: &serde_json::Value) -> Shown {
    let values = if at == SETTINGS { &value["base"] } else { value };
    let values = values.as_object().into_iter().flatten();
    values.filter_map(|(key, value)| Some((key.clone(), value.as_i64()?))).collect()
}

fn run(steps: &[Step]) -> BTreeSet<&'static str> {
    let mut both = Both::new();
    for step in steps {
        both.step(step);
        both.compare();
    }
    both.finish()
}

/// Runs stories with a bug planted, or none: what happened in them, or the shortest that shows a difference.
fn search(cases: u32, bug: Option<Bug>) -> Result<BTreeSet<&'static str>, TestError<Vec<Step>>> {
    let seed = ProptestConfig::default().rng_seed;
    let rng_seed = if seed == RngSeed::Random { RngSeed::Fixed(7) } else { seed };
    let config = ProptestConfig { cases, failure_persistence: None, rng_seed, ..ProptestConfig::default() };
    let seen = RefCell::new(BTreeSet::new());
    TestRunner::new(config).run(&story(), |steps| {
        plant(bug);
        let result = catch_unwind(AssertUnwindSafe(|| run(&steps)));
        plant(None);
        let said = |panic: Box<dyn Any + Send>| panic.downcast_ref::<String>().cloned().unwrap_or_default();
        seen.borrow_mut().extend(result.map_err(|panic| TestCaseError::fail(said(panic)))?);
        Ok(())
    })?;
    Ok(seen.into_inner())
}

#[test]
fn a_vault_shows_what_was_written_and_says_where_it_stands_whatever_happens() {
    let longer = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let seen = search(longer.unwrap_or(100), None).unwrap_or_else(|error| panic!("{error}"));
    // Stories that never lead somewhere would prove nothing about it.
    let ought = [
        "saved, stored, synced, parked, quarantined, sealed later, taken back, restored a version, read a version",
        "deleted, restored, refused as deleted, written elsewhere",
    ];
    let ought = ought.iter().flat_map(|line| line.split(", "));
    let unseen: Vec<&str> = ought.filter(|what| !seen.contains(what)).collect();
    assert!(unseen.is_empty(), "no story came to {unseen:?}, all to {seen:?}");
}

#[test]
fn stories_find_each_bug_that_is_planted_in_the_vault() {
    for bug in [Bug::OutboxForgottenAfterLogin, Bug::CursorMovedByAck, Bug::DependantsLeft] {
        let found = search(100, Some(bug));
        let Err(TestError::Fail(_, steps)) = found else { panic!("{bug:?} went unseen") };
        assert!(steps.len() <= 8, "{bug:?}: {steps:#?}");
    }
}

//! A vault beside a document that somebody could explain: whatever its host, other devices and the relay do, in
//! whatever order, both show the same, and stand where they ought to, after every step; also if the vault is closed or
//! its process ends at any of them.
//!
//! Here each device writes keys of its own, so what a document shows follows without knowing how things merge.
//! `PROPTEST_CASES` and `PROPTEST_RNG_SEED` make a run longer, or another one.

mod compare; // what is seen of both
mod elsewhere; // what the relay and other devices do
mod host; // what the vault's host does
mod naive; // what one document is
mod step; // what happens

use std::sync::{Arc, Mutex};
use std::time::Duration;

use editor_vault::{Document, Vault};
use stories::{Seen, Stories};
use sync_wire::planted::Bug;
use sync_wire::{ChangeHash, DocumentId};

use self::elsewhere::Script;
use self::naive::{Naive, Shown};
use self::step::{DOCUMENTS, SETTINGS, Step, story};
use crate::inline::sight::Sight;
use crate::recovery::{line, settle};
use crate::relay::inline::{InlineRelay, Line};

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
    seen: Seen,
}

fn prefix(document: usize) -> &'static str {
    if document == SETTINGS { "/base/" } else { "/" }
}

impl Both {
    fn new() -> Self {
        let (sight, relay) = (Sight::new(1), InlineRelay::new(&["alice"]));
        let script = Arc::new(Mutex::new(Script::new()));
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
            seen: Seen::new(),
        }
    }

    fn vault(&self) -> &Vault {
        &self.open.as_ref().unwrap().0
    }

    fn document(&self, at: usize) -> Option<Document> {
        let vault = self.vault();
        self.ids[at].map(|id| vault.document(vault.home(), id).unwrap())
    }

    fn saw(&mut self, what: &str) {
        self.seen.insert(what.to_owned());
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Edit { document, key } => self.edit(document, key),
            Step::Defer { document, key } => self.defer(document, key),
            Step::Undo { document } => self.take_back(document, Document::undo, Naive::undo),
            Step::Redo { document } => self.take_back(document, Document::redo, Naive::redo),
            Step::RestoreVersion { document, version } => self.restore_version(document, version),
            Step::ReadVersion { document, version } => self.read_version(document, version),
            Step::Delete { document } => self.delete(document),
            Step::Restore { document } => self.restore(document),
            Step::Squash { document } => self.squash(document),
            Step::Wait => {
                self.sight.sources.advance(Duration::from_secs(1));
                while self.vault().run_due() > 0 {}
                self.sealed();
            }
            Step::Flush => self.flush(),
            Step::Sync => self.sync(),
            Step::Disconnect => {
                let vault = self.vault().clone();
                self.open = Some((vault.clone(), line(&vault)));
                self.is_connected = false;
            }
            Step::Judge { document, judgement } => self.judge(document, judgement),
            Step::NewLimits => self.new_limits(),
            Step::Settle => self.settle(),
            Step::Remote { document, key, changes } => self.remote(document, key, changes),
            Step::DeleteElsewhere { document } => self.mark_elsewhere(document, true),
            Step::RestoreElsewhere { document } => self.mark_elsewhere(document, false),
            Step::Purge { document } => self.purge(document),
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

    /// Whatever stood in the way is gone: everything arrives, and a new device shows it.
    fn finish(mut self) -> Seen {
        self.step(&Step::Flush);
        self.script.lock().unwrap().judgements.clear();
        self.documents.iter_mut().for_each(|document| document.judgement = None);
        for step in [Step::Settle, Step::NewLimits, Step::Disconnect, Step::Sync] {
            self.step(&step);
            self.compare();
        }
        // What was written to a deleted document waits until somebody restores it.
        for document in 0..DOCUMENTS {
            if self.documents[document].is_open() {
                self.step(&Step::Restore { document });
            }
        }
        self.step(&Step::Sync);
        self.compare();
        assert!(self.documents.iter().all(|document| !document.is_open()));
        assert_eq!(self.vault().verify().unwrap(), []);
        let desktop = self.sight.open("desktop");
        settle(&self.relay, &desktop, &mut line(&desktop));
        for at in 0..DOCUMENTS {
            let (Some(id), naive) = (self.ids[at], &self.documents[at]) else { continue };
            let theirs = desktop.document(desktop.home(), id).unwrap();
            let status = theirs.status().unwrap();
            assert_eq!((status.deleted, status.purged), (naive.is_deleted(), naive.is_purged), "document {at}");
            if !naive.is_purged {
                assert_eq!(shown(at, &theirs.value().unwrap()), naive.shown(), "document {at} on a new device");
            }
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

fn run(steps: &[Step]) -> Seen {
    let mut both = Both::new();
    for step in steps {
        both.step(step);
        both.compare();
    }
    both.finish()
}

#[test]
fn a_vault_shows_what_was_written_and_says_where_it_stands_whatever_happens() {
    Stories::new(story, |steps| run(steps)).check(
        150,
        &[
            "saved",
            "stored",
            "synced",
            "parked",
            "parked as deleted",
            "quarantined",
            "sealed later",
            "taken back",
            "taken back after a refusal",
            "taken back after a squash",
            "restored a version",
            "read a version",
            "deleted",
            "restored",
            "refused as deleted",
            "written elsewhere",
            "deleted elsewhere",
            "restored elsewhere",
            "purged",
            "squashed",
            "nothing to squash",
        ],
    );
}

#[test]
fn stories_find_each_bug_that_is_planted_in_the_vault() {
    for bug in [Bug::OutboxForgottenAfterLogin, Bug::CursorMovedByAck, Bug::DependantsLeft] {
        Stories::new(story, |steps| run(steps)).find(bug, 8);
    }
}

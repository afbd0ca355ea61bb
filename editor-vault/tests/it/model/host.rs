//! What the vault's host does.

use editor_vault::{Document, EditError, Version};
use sync_wire::ChangeHash;

use super::naive::{Fate, Kind, Naive, Note, Put, Shown};
use super::step::{DOCUMENTS, SETTINGS};
use super::{Both, head, prefix, shown};

impl Both {
    /// The document, made if it is not there yet.
    fn made(&mut self, at: usize) -> Document {
        if self.ids[at].is_none() {
            let note = self.vault().create("note", Some(&format!("note {at}")), None).unwrap();
            self.ids[at] = Some(note.id());
            self.script.lock().unwrap().makings.insert(head(&note));
            self.documents[at].is_made = true;
            self.documents[at].save(Kind::Making);
        }
        self.document(at).unwrap()
    }

    fn next_put(&mut self, key: u8) -> (Put, i64) {
        self.values += 1;
        (Put { key: format!("own-{key}"), value: Some(self.values) }, self.values)
    }

    pub(super) fn edit(&mut self, at: usize, key: u8) {
        let (document, (put, value)) = (self.made(at), self.next_put(key));
        let path = format!("{}{}", prefix(at), put.key);
        let done = document.edit(|draft| draft.put(&path, value.into()));
        if self.is_refused_as_deleted(at, done) {
            return;
        }
        self.documents[at].seal(vec![put], head(&document));
    }

    pub(super) fn defer(&mut self, at: usize, key: u8) {
        let (document, (put, value)) = (self.made(at), self.next_put(key));
        let path = format!("{}{}", prefix(at), put.key);
        let done = document.edit_deferred(|draft| draft.put(&path, value.into()));
        if !self.is_refused_as_deleted(at, done.map(drop)) {
            self.documents[at].window.push(put);
        }
    }

    fn is_refused_as_deleted(&mut self, at: usize, done: Result<(), EditError>) -> bool {
        let is_deleted = self.documents[at].is_deleted();
        assert_eq!(done.err().map(|error| error.code()), is_deleted.then_some("deleted"));
        if is_deleted {
            self.saw("refused as deleted");
        }
        is_deleted
    }

    pub(super) fn take_back(
        &mut self,
        at: usize,
        does: fn(&Document) -> Result<ChangeHash, EditError>,
        expected: fn(&Naive) -> Option<Told>,
    ) {
        let Some(document) = self.document(at) else { return };
        // It waits for what was deferred, and here nobody else would save that.
        self.flush();
        let done = does(&document).map(drop);
        let naive = &mut self.documents[at];
        if naive.is_deleted() {
            assert_eq!(done.unwrap_err().code(), "deleted");
        } else if let Some(taken) = expected(naive) {
            done.unwrap();
            naive.taken_back(taken, head(&document));
            let (is_refused, is_squashed) = (naive.has(|fate| fate == Fate::Refused), naive.squashed > 0);
            self.saw("taken back");
            if is_refused {
                self.saw("taken back after a refusal");
            }
            if is_squashed {
                self.saw("taken back after a squash");
            }
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

    pub(super) fn restore_version(&mut self, at: usize, which: usize) {
        let Some((document, hash, then)) = self.version(at, which) else { return };
        if self.documents[at].is_deleted() {
            return;
        }
        self.flush();
        let Some(puts) = self.documents[at].puts_to(&then) else { return };
        assert_eq!(document.restore(&Version::of(hash)).unwrap(), !puts.is_empty());
        if !puts.is_empty() {
            self.documents[at].seal(puts, head(&document));
            self.saw("restored a version");
        }
    }

    pub(super) fn read_version(&mut self, at: usize, which: usize) {
        let Some((document, hash, then)) = self.version(at, which) else { return };
        assert_eq!(shown(at, &document.value_at(&Version::of(hash)).unwrap()), then);
        self.saw("read a version");
    }

    pub(super) fn delete(&mut self, at: usize) {
        let Some(document) = self.document(at) else { return };
        let done = self.vault().delete(&document);
        if at == SETTINGS {
            assert_eq!(done.unwrap_err().code(), "well_known");
            return;
        }
        done.unwrap();
        let naive = &mut self.documents[at];
        if !naive.is_deleted() {
            if !naive.window.is_empty() {
                naive.seal(Vec::new(), head(&document));
            }
            naive.save(Kind::Deletion);
            self.saw("deleted");
        }
    }

    pub(super) fn restore(&mut self, at: usize) {
        let Some(document) = self.document(at) else { return };
        let done = self.vault().restore(&document);
        let naive = &mut self.documents[at];
        if naive.is_purged {
            assert_eq!(done.unwrap_err().code(), "gone");
            return;
        }
        done.unwrap();
        if naive.is_deleted() {
            naive.save(Kind::Restoration);
            self.saw("restored");
        }
    }

    /// Says what is parked in one go; of one edit alone it may be that nothing is gained.
    pub(super) fn squash(&mut self, at: usize) {
        let Some(document) = self.document(at) else { return };
        let done = self.vault().squash(&document);
        let edits = self.documents[at].parked_edits();
        match done {
            Ok(lane) => {
                assert_eq!(lane.edits, edits.len());
                let is_making = self.documents[at].squash(&edits);
                if is_making {
                    let (_, known) = self.relay.document("alice", document.id());
                    let heads = document.read(::document::Document::heads).unwrap();
                    self.script.lock().unwrap().makings.extend(heads.iter().filter(|head| !known.contains(head)));
                }
                self.saw("squashed");
            }
            Err(error) if edits.is_empty() => {
                assert_eq!(error.code(), "not_parked");
                self.saw("nothing to squash");
            }
            Err(error) => assert_eq!((error.code(), edits.len()), ("no_gain", 1)),
        }
    }

    pub(super) fn flush(&mut self) {
        self.vault().flush().unwrap();
        self.sealed();
    }

    /// What was deferred is saved.
    pub(super) fn sealed(&mut self) {
        for at in 0..DOCUMENTS {
            if !self.documents[at].window.is_empty() {
                let document = self.document(at).unwrap();
                self.documents[at].seal(Vec::new(), head(&document));
                self.saw("sealed later");
            }
        }
    }
}

/// What was put, and what is noted of it.
type Told = (Vec<Put>, Note);

//! Looking at both: what documents show, and where they stand.

use editor_vault::{DocumentState, FateCode};

use super::naive::Fate;
use super::step::DOCUMENTS;
use super::{Both, shown};

impl Both {
    /// Everything that can be seen of both.
    pub(super) fn compare(&mut self) {
        for at in 0..DOCUMENTS {
            let Some(document) = self.document(at) else { continue };
            let naive = &self.documents[at];
            let status = document.status().unwrap();
            let is = (status.deleted, status.purged, status.pending_batches > 0, status.held.clone());
            assert_eq!(is, (naive.is_deleted(), naive.is_purged, naive.is_open(), None), "document {at}: {status:?}");
            if naive.is_purged {
                continue;
            }
            assert_eq!(status.unsaved, !naive.window.is_empty(), "document {at}: {status:?}");
            if !naive.is_behind {
                assert_eq!(shown(at, &document.value().unwrap()), naive.shown(), "document {at}");
            }
            let state = match &status.state {
                DocumentState::Parked { code: FateCode::SCHEMA, .. } => "parked",
                DocumentState::Parked { code: FateCode::DELETED, .. } => "parked as deleted",
                DocumentState::Quarantined { code: FateCode::DANGEROUS, .. } => "quarantined",
                state => state.name(),
            };
            let ought = self.state(at);
            assert_eq!(state, ought, "document {at}: {status:?}");
            self.saw(ought);
        }
        self.compare_quarantine();
    }

    fn state(&self, at: usize) -> &'static str {
        let naive = &self.documents[at];
        let parked = naive.lane.iter().find_map(|batch| match batch.fate {
            Fate::Parked { code, .. } => Some(code),
            _ => None,
        });
        if let Some(code) = parked {
            if code == FateCode::DELETED { "parked as deleted" } else { "parked" }
        } else if naive.has(|fate| fate == Fate::Refused) {
            "quarantined"
        } else if !self.is_logged_in || naive.has(|fate| fate == Fate::Pending) {
            "saved"
        } else if naive.has(|fate| matches!(fate, Fate::Stored { .. })) {
            "stored"
        } else {
            "synced"
        }
    }

    fn compare_quarantine(&self) {
        let quarantined = self.vault().quarantine().list().unwrap();
        let count = |code: FateCode| quarantined.iter().filter(|one| one.code == code).count();
        let is_there = |naive: &&super::Naive| !naive.is_purged;
        let refused = self.documents.iter().filter(is_there).flat_map(|naive| &naive.lane);
        let refused = refused.filter(|batch| batch.fate == Fate::Refused).count();
        let squashed: usize = self.documents.iter().map(|naive| naive.squashed).sum();
        let gone: usize = self.documents.iter().map(|naive| naive.refused_before_purge).sum();
        assert_eq!(count(FateCode::DANGEROUS), refused + gone);
        // And what was deferred while edits before it were said in one go.
        assert!(count(FateCode::SQUASHED) >= squashed, "{quarantined:?}");
    }
}

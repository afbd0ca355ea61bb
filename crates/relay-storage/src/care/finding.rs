//! What is wrong, where, and what to do about it.

use sync_wire::{DocumentId, SpaceId};

use crate::error::StorageError;

/// Findings that are listed one by one; more would tell nobody more.
const LISTED_MAX: usize = 100;

/// Something that is wrong with the storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The stable word for it.
    pub code: &'static str,
    /// Where, and what.
    pub detail: String,
}

const RESTORE: &str = "keep the file aside and restore a backup: devices send again what it lacks";
const REBUILD: &str = "stop the relay and run `sync-server verify --rebuild`: it is derived from the log";
const PUBLISH: &str = "stop the relay and run `sync-server verify --rebuild`: the newest state is judged again";

impl Finding {
    /// Whether the file itself is damaged, and not only what one row or another says.
    #[must_use]
    pub fn is_of_pages(&self) -> bool {
        self.code == "page_damaged"
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self.code {
            "document_counts_wrong" | "frontier_wrong" | "deletion_wrong" | "snapshot_wrong" | "projection_wrong" => {
                REBUILD
            }
            "publication_wrong" => PUBLISH,
            "intake_counts_wrong" => "stop the relay and run `sync-server verify --rebuild`: they are counted again",
            "intake_damaged" => "nothing: its device is told, and pushes it again",
            "log_does_not_apply" => "it stays as it is, and others go on: restore a backup of before it was so",
            "more_findings" => "heal what is listed, then look again",
            _ => RESTORE,
        }
    }
}

/// What was found so far, bounded.
#[derive(Debug, Default)]
pub(super) struct Findings {
    listed: Vec<Finding>,
    left_out: u64,
}

impl Findings {
    pub(super) fn push(&mut self, code: &'static str, detail: String) {
        if self.listed.len() < LISTED_MAX {
            self.listed.push(Finding { code, detail });
        } else {
            self.left_out += 1;
        }
    }

    pub(super) fn entry(&mut self, code: &'static str, (space, position): (SpaceId, u64), what: &str) {
        self.push(code, format!("entry {position} of space {space}: {what}"));
    }

    pub(super) fn document(&mut self, code: &'static str, (space, document): (SpaceId, DocumentId), what: &str) {
        self.push(code, format!("document {document} in space {space}: {what}"));
    }

    /// What cannot be read because the file is damaged is a finding, and must not hide the others.
    pub(super) fn unless_unreadable(
        &mut self,
        place: &str,
        looked: Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        match looked {
            Err(StorageError::Corrupt { detail } | StorageError::Unexpected { detail }) => {
                self.push("unreadable", format!("{place}: {detail}"));
                Ok(())
            }
            looked => looked,
        }
    }

    pub(super) fn into_list(mut self) -> Vec<Finding> {
        if self.left_out > 0 {
            let detail = format!("{} more findings are not listed", self.left_out);
            self.listed.push(Finding { code: "more_findings", detail });
        }
        self.listed
    }
}

//! What a writer had seen, as heads of the document.
//!
//! A version is named by a position, as in the tag of every answer: heads of a document at a position are what its log
//! has up to there, less what that rests on. They are found from the end, because most pages are not old.

use std::collections::BTreeSet;

use document::{Document, Header};
use relay_storage::DocumentState;
use sync_wire::log::EntryKind;
use sync_wire::{ChangeHash, LogPosition};

use super::error::WriteError;
use crate::app::App;

/// Roughly how much of a log is looked at in one step.
const PAGE_BYTES: usize = 4 << 20;

/// What a writer had seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Whatever is there.
    Current,
    /// The document as it was there.
    At(LogPosition),
}

/// The heads of a document in the version that a writer had seen, ascending. Some may be ancestors of others, which
/// changes nothing of what they mean.
///
/// # Errors
/// [`WriteError::UnknownVersion`]; storage failed.
pub(super) async fn heads(
    app: &App,
    document: &Document,
    state: &DocumentState,
    seen: Seen,
) -> Result<Vec<ChangeHash>, WriteError> {
    let Seen::At(at) = seen else { return Ok(document.heads()) };
    let unknown = |why: &str| Err(WriteError::UnknownVersion(format!("version {at} {why}")));
    if at.epoch != state.end.epoch {
        return unknown("is of another life of the log");
    }
    let end = app.storage.end_of(state.space).await?.unwrap_or(state.end);
    if at.position > end.position {
        return unknown("is after the end of the log");
    }
    if at.position < state.first {
        return unknown("is from before the document");
    }
    let mut since = Since::default();
    let mut after = (at.position < state.end.position).then_some(at.position);
    while let Some(from) = after {
        let page = app.storage.read_document(state.space, state.document, from, state.end.position, PAGE_BYTES).await?;
        for entry in page.entries.iter().map(|positioned| &positioned.entry) {
            if entry.kind == EntryKind::Change {
                let header = entry.bytes.as_ref().and_then(|bytes| Header::parse(bytes).ok());
                let Some(header) = header else { return unknown("cannot be read any more") };
                since.add(&header);
            }
        }
        if since.bytes(&page.entries) > app.config.api.version_bytes_max {
            return unknown("is too old: too much was written since");
        }
        after = page.next;
    }
    Ok(since.heads_before(document.heads()))
}

/// The changes since a version.
#[derive(Debug, Default)]
struct Since {
    changes: BTreeSet<ChangeHash>,
    deps: BTreeSet<ChangeHash>,
    bytes: u64,
}

impl Since {
    fn add(&mut self, header: &Header) {
        self.changes.insert(header.hash);
        self.deps.extend(&header.deps);
    }

    /// Counts a page; what was counted so far.
    fn bytes(&mut self, entries: &[sync_wire::PositionedEntry]) -> u64 {
        let page: usize =
            entries.iter().filter_map(|positioned| positioned.entry.bytes.as_ref()).map(|it| it.len()).sum();
        self.bytes += page as u64;
        self.bytes
    }

    /// What is not of since, and on which nothing rests that is not.
    fn heads_before(self, now: Vec<ChangeHash>) -> Vec<ChangeHash> {
        let Self { changes, mut deps, .. } = self;
        deps.extend(now);
        deps.into_iter().filter(|hash| !changes.contains(hash)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(hash: u8, deps: &[u8]) -> Header {
        let change = document::Seed::Root { type_name: "note".into() }.change();
        let deps = deps.iter().map(|dep| ChangeHash([*dep; 32])).collect();
        Header { hash: ChangeHash([hash; 32]), deps, ..change.header }
    }

    fn heads(since: &[(u8, &[u8])], now: &[u8]) -> Vec<u8> {
        let mut of = Since::default();
        since.iter().for_each(|(hash, deps)| of.add(&header(*hash, deps)));
        let now = now.iter().map(|head| ChangeHash([*head; 32])).collect();
        of.heads_before(now).into_iter().map(|hash| hash.0[0]).collect()
    }

    #[test]
    fn heads_of_a_version_are_what_later_changes_rest_on_and_what_still_is_a_head() {
        assert_eq!(heads(&[], &[1, 2]), [1, 2]);
        assert_eq!(heads(&[(3, &[1]), (4, &[3])], &[4]), [1]);
        assert_eq!(heads(&[(3, &[1])], &[2, 3]), [1, 2], "a branch that nobody has joined since");
        assert_eq!(heads(&[(3, &[1, 2]), (4, &[1])], &[3, 4]), [1, 2]);
    }
}

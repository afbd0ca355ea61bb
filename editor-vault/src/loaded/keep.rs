//! Keeps what was put together of rows as a snapshot, so that the next load is quick. Derived: losing it costs time
//! only.
//!
//! To make one and to prove that it loads takes longer than to put the document together. Where that is long, whoever
//! wants the document does not wait for it.

use std::sync::Arc;

use document::{Document, LoadError, Snapshot};

use super::gather::GATHER_BYTES_MIN;
use crate::error::StorageError;
use crate::fill::give_way;
use crate::storage::{DocumentRow, Origin, SnapshotRow};
use crate::vault::Inner;

/// Makes a snapshot of a document that holds its rows up to `through`: of a large one later, on a thread of its own,
/// and not while another is being made.
pub(super) fn keep(inner: &Arc<Inner>, row: &DocumentRow, document: &Document, through: i64) {
    let at = Place { document: row.row, generation: row.moved.generation, through };
    if inner.is_inline || document.bytes_estimate() < GATHER_BYTES_MIN {
        return store(inner, document.snapshot(), at);
    }
    if !inner.shelf.begin_keeping() {
        return; // the next load finds that it is still missing
    }
    let (weak, copy) = (Arc::downgrade(inner), document.clone());
    let make = move || {
        give_way();
        let snapshot = copy.snapshot();
        // A vault that was closed meanwhile has no use for it.
        if let Some(inner) = weak.upgrade() {
            store(&inner, snapshot, at);
            inner.shelf.end_keeping();
        }
    };
    let thread = std::thread::Builder::new().name("vault-snapshot".into()).stack_size(document::ROOMY_STACK_BYTES);
    if thread.spawn(make).is_err() {
        inner.shelf.end_keeping();
    }
}

/// What a snapshot holds.
#[derive(Clone, Copy)]
struct Place {
    /// The document's row.
    document: i64,
    generation: i64,
    /// Its last row.
    through: i64,
}

fn store(inner: &Inner, snapshot: Result<Snapshot, LoadError>, at: Place) {
    let Ok(snapshot) = snapshot else { return };
    let stored = SnapshotRow { origin: Origin::Local, through: at.through, snapshot };
    inner.storage.submit::<_, StorageError>(
        move |tx| {
            // Rows may have been excluded since: then it holds what the document no longer has.
            let unchanged = tx.generation(at.document)? == at.generation;
            if unchanged { tx.put_snapshot(at.document, &stored) } else { Ok(()) }
        },
        |_| (),
    );
}

//! Takes in what moved since the last query: nothing is done for an edit itself, which so costs no more than before.
//!
//! A bounded number of documents goes into one transaction; it is not flushed by itself, because all of it can be made
//! again. Several processes may do the same at once.

use std::sync::Arc;

use document_index::{Content, DeclaredIndex, content_of};
use schemas::{DocumentType, StoredIndex};

use crate::error::{ReadError, StorageError};
use crate::loaded::Look;
use crate::storage::{Folded, Moved, Unfolded};
use crate::vault::Inner;

/// Documents that are kept in one transaction.
const DOCUMENTS_AT_ONCE: usize = 128;
/// Bytes of texts in one transaction, after which the next begins.
const TEXT_BYTES_AT_ONCE: usize = 4 << 20;
/// How often it is begun anew because another program declared an index meanwhile.
const ATTEMPTS: usize = 4;

impl Inner {
    /// Takes in every document of a type that moved. What is saved before this is called is in every answer after it.
    pub(super) fn fold(self: &Arc<Self>, schema: &DocumentType) -> Result<(), ReadError> {
        let name = schema.name.as_str();
        for _ in 0..ATTEMPTS {
            let declared = self.declared(schema)?;
            let unfolded = self.storage.read(|tx| tx.unfolded(name))?;
            if !unfolded.is_empty() {
                document::on_roomy_stack(|| self.fold_all(schema, &declared, &unfolded))?;
            }
            if unfolded.is_empty() || self.storage.read(|tx| tx.declared(name))?.len() == declared.len() {
                return Ok(());
            }
        }
        Ok(()) // what is missing is of indexes that this program did not ask for
    }

    /// What programs declared of a type, this one too.
    fn declared(&self, schema: &DocumentType) -> Result<Vec<DeclaredIndex>, StorageError> {
        let name = schema.name.clone();
        let declared = self.storage.read(|tx| tx.declared(&name))?;
        let is_known = |index: &StoredIndex| declared.iter().any(|known| known.index == *index);
        let wanted: Vec<StoredIndex> = schema.indexes().iter().map(|field| field.index.clone()).collect();
        if wanted.iter().all(is_known) {
            return Ok(declared);
        }
        self.storage.write_remote::<_, StorageError>(move |tx| {
            tx.declare(&name, &wanted)?;
            tx.declared(&name)
        })
    }

    fn fold_all(
        self: &Arc<Self>,
        schema: &DocumentType,
        declared: &[DeclaredIndex],
        unfolded: &[Unfolded],
    ) -> Result<(), ReadError> {
        let (mut folded, mut bytes) = (Vec::new(), 0);
        for one in unfolded {
            let one = self.fold_one(schema, declared, one)?;
            bytes += one.content.text_bytes();
            folded.push(one);
            if folded.len() >= DOCUMENTS_AT_ONCE || bytes >= TEXT_BYTES_AT_ONCE {
                self.keep(schema, declared, std::mem::take(&mut folded))?;
                bytes = 0;
            }
        }
        self.keep(schema, declared, folded)
    }

    fn keep(&self, schema: &DocumentType, declared: &[DeclaredIndex], folded: Vec<Folded>) -> Result<(), ReadError> {
        if folded.is_empty() {
            return Ok(());
        }
        let (name, declared) = (schema.name.clone(), declared.len());
        Ok(self.storage.write_remote::<_, StorageError>(move |tx| tx.fold(&name, declared, &folded))?)
    }

    fn fold_one(
        self: &Arc<Self>,
        schema: &DocumentType,
        declared: &[DeclaredIndex],
        unfolded: &Unfolded,
    ) -> Result<Folded, ReadError> {
        let (row, deleted) = (unfolded.row, unfolded.deleted);
        let (at, content) =
            if deleted == 0 { self.look_at(schema, declared, unfolded)? } else { (unfolded.moved, Content::default()) };
        Ok(Folded { row, at, deleted, content })
    }

    /// What is in a document that is saved, and of which state. One that cannot be put together is found by nothing.
    fn look_at(
        self: &Arc<Self>,
        schema: &DocumentType,
        declared: &[DeclaredIndex],
        unfolded: &Unfolded,
    ) -> Result<(Moved, Content), ReadError> {
        let title = schema.title_index().map(|index| index.path.as_str());
        let space = self.resolve(unfolded.space);
        // What is in memory is quicker, unless it has more than the file, or less.
        if let Some(loaded) = self.shelf.get(space, unfolded.id) {
            let mut state = loaded.lock();
            if !loaded.has_unsaved()
                && let Ok(document) = loaded.current(self, &mut state, Look::File)
            {
                let content = content_of(title, declared, |path| document.get(path));
                let moved = state.stored.as_ref().map(|stored| stored.moved);
                if let Some(moved) = moved.filter(|moved| *moved == unfolded.moved || moved.is_after(unfolded.moved)) {
                    return Ok((moved, content));
                }
            }
        }
        let apart = self.shelf.apart(space, unfolded.id);
        let mut state = apart.lock();
        match apart.current(self, &mut state, Look::File) {
            Ok(document) => {
                let content = content_of(title, declared, |path| document.get(path));
                let moved = state.stored.as_ref().map_or(unfolded.moved, |stored| stored.moved);
                Ok((moved, content))
            }
            Err(error @ ReadError::Storage(_)) => Err(error),
            Err(error) => {
                tracing::debug!(document.id = %unfolded.id, "A document is found by nothing: {error}");
                Ok((unfolded.moved, Content::default()))
            }
        }
    }
}

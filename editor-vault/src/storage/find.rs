//! Which documents a query means, of what was folded: asked of `document_index`, with the names of a vault.

use document_index::{Among, Ask, FoundRow, Host, Index, Mark};
use schemas::Checked;

use super::Tx;
use crate::error::StorageError;

/// What the tables of a vault are called.
static HOST: Host = Host {
    document_row: "id",
    document_id: "document",
    document_space: "space",
    space_row: "id",
    space_id: "space",
    shown: "projections",
};

impl Tx<'_> {
    /// What documents are found by.
    pub(super) fn index(&self) -> Index<'_> {
        Index::new(self.connection(), &HOST)
    }

    /// The documents of a page, and one more if there is one. Fields that nobody declared have no documents, and
    /// neither has a space that is not here.
    pub(crate) fn found(&self, query: &Checked, among: Among) -> Result<Vec<FoundRow>, StorageError> {
        let space = query.space.map(|space| self.space(space)).transpose()?;
        if matches!(space, Some(None)) {
            return Ok(Vec::new());
        }
        let space = space.flatten().map(|space| space.row);
        let mut ask = Ask { query, space, among, after: None, mark: Mark::NONE };
        let after = query.after.clone().map(|after| self.index().place_now(&ask, after)).transpose();
        let found = after.and_then(|after| {
            ask.after = after;
            self.index().found(&ask)
        });
        found.map_err(|error| self.fault(&error))
    }
}

//! What everybody may see of a document once a relay has it, judged here by the rules that the relay judges by.

use schemas::Publication;

use super::Document;
use crate::error::ReadError;

impl Document {
    /// What would be published of the document as it is here, or which rules keep it from that. Deferred edits count.
    ///
    /// A relay publishes what it has checked of the document, so it is behind while edits are pending. What it has
    /// published stays as it was while the document is refused. Nothing is published of a document that is deleted,
    /// whose type is not known here, or that its author does not show, as every profile at first.
    ///
    /// # Errors
    /// As [`Self::read`].
    ///
    /// # Example: a review without a rating is refused, and says what is missing
    /// ```
    /// use editor_vault::Publication;
    /// # let dir = editor_vault::doctest::directory()?;
    /// # let vault = editor_vault::Vault::open(dir.path())?;
    /// let review = vault.create("review", Some("Good"), None)?;
    /// review.edit(|draft| draft.put("/extension", "acme.linter".into()))?;
    /// let Publication::Refused(violations) = review.publication()? else { panic!("it has no rating") };
    /// assert!(violations[0].to_string().contains("rating"));
    /// review.edit(|draft| draft.put("/rating", 5.into()))?;
    /// assert!(matches!(review.publication()?, Publication::Public(shown) if shown["rating"] == 5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn publication(&self) -> Result<Publication, ReadError> {
        let inner = self.vault.live()?;
        let row = inner.storage.read(|tx| tx.document(self.space, self.id))?;
        let schema = match self.schema() {
            Ok(schema) => schema,
            Err(ReadError::NoSuchType { .. }) => return Ok(Publication::Private),
            Err(error) => return Err(error),
        };
        if row.is_some_and(|row| row.deleted) {
            return Ok(if schema.has_public() { Publication::Nothing } else { Publication::Private });
        }
        // One look, so that the conflicts are those of the value.
        self.look_back(|document| {
            let open = document.conflicts()?;
            Ok(schema.publication(&document.value(), open.iter().map(|conflict| conflict.path.as_str())))
        })
    }
}

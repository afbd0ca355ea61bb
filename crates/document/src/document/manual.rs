//! What a document was told of the fields about which a person decides, and what it asks of edits that are made again.
//! What single steps may do is in [`crate::working`].

use std::collections::HashSet;

use super::Document;
use crate::error::Violation;
use crate::intent::Intent;
use crate::manual::ManualFields;

impl Document {
    /// Says which fields a person decides about; drafts keep the rules from now on, and copies of the document know it
    /// too.
    ///
    /// While values that were written concurrently are open in such a field, only a resolution
    /// ([`crate::Draft::resolve`]) writes to it; to put what is shown already writes nothing. It is one register, is
    /// put as a whole, and becomes null when it is removed.
    pub fn set_manual(&mut self, manual: ManualFields) {
        self.working.manual = manual;
        self.reopened.take();
    }

    /// What was said last.
    #[must_use]
    pub const fn manual(&self) -> &ManualFields {
        &self.working.manual
    }

    /// Whether unsealed edits give manual fields other values: they are to be sealed before changes of others come in.
    #[must_use]
    pub const fn has_unsealed_decision(&self) -> bool {
        self.decides
    }

    /// Registers win when they are made again; what a person has to decide about does not.
    pub(super) fn examine_again(&self, edits: &[Intent]) -> Result<bool, Violation> {
        let (mut resolved, mut decides) = (HashSet::new(), false);
        for intent in edits {
            if !resolved.contains(intent.path()) {
                decides |= self.working.examine_manual(intent, |path| self.waiting_again(path))?;
            }
            if matches!(intent, Intent::Resolve { .. }) {
                resolved.insert(intent.path());
            }
        }
        Ok(decides)
    }
}

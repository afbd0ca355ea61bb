//! What an edit may do to fields that a person decides about, so that no value is overwritten that nobody weighed.
//!
//! A manual field is one register. An edit that would give one another value while several are open is refused; a
//! resolution names the values that it closes, and is refused if others stand there.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};
use sync_wire::ChangeHash;

use super::{Working, collect_leaves};
use crate::document::Alternative;
use crate::error::Violation;
use crate::flat::{self, concurrent};
use crate::intent::Intent;
use crate::pointer;

/// Changes that a refusal names.
const CHANGES_NAMED_MAX: usize = 8;

impl Working {
    /// Whether `intent` gives a manual field another value; what speaks against it if it does. `again` tells of values
    /// that were closed without a decision.
    pub(crate) fn examine_manual<'d>(
        &self,
        intent: &Intent,
        again: impl Fn(&str) -> &'d [Alternative],
    ) -> Result<bool, Violation> {
        if let Intent::Resolve { path, closes, .. } = intent {
            return self.examine_resolution(path, closes, again(path)).map(|()| true);
        }
        if self.manual.is_empty() {
            return Ok(false);
        }
        self.leaves_fields_whole(intent)?;
        let decided = self.decided(intent);
        decided.iter().try_for_each(|path| self.is_settled(path, again(path)))?;
        Ok(!decided.is_empty())
    }

    /// The manual fields to which `intent` gives another value. To put what is shown already is no decision.
    fn decided(&self, intent: &Intent) -> Vec<String> {
        let path = intent.path();
        let mut decided = Vec::new();
        let mut kept = HashSet::new();
        match intent {
            Intent::Put { value, .. } => {
                let mut leaves = Vec::new();
                collect_leaves(path.to_owned(), value, &self.manual, &mut leaves);
                for (leaf, value) in leaves.into_iter().filter(|(leaf, _)| self.manual.includes(leaf)) {
                    if flat::get(&self.auto, &leaf, true).as_ref() != Some(value) {
                        decided.push(leaf.clone());
                    }
                    kept.insert(leaf);
                }
            }
            Intent::PutRegister { value, .. } if self.manual.includes(path) => {
                if flat::get(&self.auto, path, true).as_ref() != Some(value) {
                    decided.push(path.to_owned());
                }
                kept.insert(path.to_owned());
            }
            _ => {}
        }
        let removed = flat::keys_below(&self.auto, path).into_iter().chain([path.to_owned()]);
        let removed = removed.filter(|key| self.manual.includes(key) && !kept.contains(key));
        let is_shown = |key: &String| flat::get(&self.auto, key, true).is_some_and(|value| !value.is_null());
        decided.extend(removed.filter(is_shown));
        decided
    }

    /// A manual field is put as a whole, as a register, and nothing else takes its place.
    fn leaves_fields_whole(&self, intent: &Intent) -> Result<(), Violation> {
        let path = intent.path();
        let refused = |problem: String| Err(Violation::new(path, "wrong_kind", problem));
        if let Some(field) = pointer::ancestors(path).find(|above| self.manual.includes(above)) {
            return refused(format!("{field} is one value about which a person decides; put it there as a whole"));
        }
        let is_content =
            matches!(intent, Intent::Splice { .. } | Intent::ReplaceText { .. } | Intent::Increment { .. });
        if is_content && self.manual.includes(path) {
            return refused("a person decides about this field, which is no text and no counter; put a value".into());
        }
        let replaced = self.replaced(intent);
        let mut fields = flat::keys_below(&self.auto, path).into_iter().filter(|key| self.manual.includes(key));
        match fields.find(|field| pointer::ancestors(field).any(|above| replaced.contains(above))) {
            Some(field) => {
                refused(format!("{field} stays, so that others see what became of it; put an object around it"))
            }
            None => Ok(()),
        }
    }

    /// Where leaves take the place of whatever is below them. An empty object is one that stays what it is.
    fn replaced(&self, intent: &Intent) -> HashSet<String> {
        let is_empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
        let path = intent.path().to_owned();
        match intent {
            Intent::Put { value, .. } => {
                let mut leaves = Vec::new();
                collect_leaves(path, value, &self.manual, &mut leaves);
                leaves.into_iter().filter(|(_, value)| !is_empty(value)).map(|(leaf, _)| leaf).collect()
            }
            Intent::PutRegister { value, .. } if is_empty(value) => HashSet::new(),
            Intent::Remove { .. } | Intent::Resolve { .. } => HashSet::new(),
            Intent::PutRegister { .. }
            | Intent::Splice { .. }
            | Intent::ReplaceText { .. }
            | Intent::Increment { .. } => HashSet::from([path]),
        }
    }

    fn is_settled(&self, path: &str, again: &[Alternative]) -> Result<(), Violation> {
        let open = concurrent::values(&self.auto, path);
        if !concurrent::differ(&open) && again.is_empty() {
            return Ok(());
        }
        let problem = format!(
            "{} values were written here concurrently, and a person decides which stays; look at them and resolve the \
             conflict, naming the values that it closes",
            open.len() + again.len()
        );
        Err(Violation::new(path, "conflict_open", problem))
    }

    fn examine_resolution(&self, path: &str, closes: &[ChangeHash], again: &[Alternative]) -> Result<(), Violation> {
        let open = concurrent::values(&self.auto, path);
        if !concurrent::differ(&open) && again.is_empty() {
            let problem = "nothing is to be resolved here, because one value stands; put another as any edit does";
            return Err(Violation::new(path, "no_conflict", problem));
        }
        let found = open.iter().filter_map(|value| self.author_of(value)).chain(again.iter().map(|one| one.hash));
        let found: BTreeSet<_> = found.collect();
        if found == closes.iter().copied().collect() {
            return Ok(());
        }
        let named: Vec<_> = found.iter().take(CHANGES_NAMED_MAX).map(ToString::to_string).collect();
        let others = if found.len() > named.len() { " and others" } else { "" };
        let problem = format!(
            "the resolution was made for other values than the {} that are open now, written by the changes {}{others}; \
             look at them and resolve again",
            found.len(),
            named.join(", ")
        );
        Err(Violation::new(path, "conflict_moved", problem))
    }

    /// The change that wrote a value; none while that is unsealed.
    pub(crate) fn author_of(&self, value: &concurrent::Written) -> Option<ChangeHash> {
        self.auto.hash_for_opid(&value.operation).map(|hash| ChangeHash(hash.0))
    }
}

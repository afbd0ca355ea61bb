//! What is to be written, as changes: from what the writer had seen and wants, by the rules of the document's type.

use std::sync::Arc;

use document::{
    Document, Draft, EditAtError, HistoryError, Intent, ManualFields, SealError, Sealed, Seed, resolution_note,
    resubmission_note,
};
use relay_storage::MadeBy;
use schemas::{DocumentType, Registry};
use serde_json::Value;
use sync_wire::{Actor, ChangeHash};

use super::error::{Violation, WriteError};
use super::patch::Patch;
use super::resolution::{Decision, Resolution, named};
use crate::projection::hidden_field;
use crate::relay::quarantine::Seen;

/// Who writes, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Author {
    pub(super) actor: Actor,
    /// Unix seconds.
    pub(super) time: i64,
    /// At whose word: what is written across documents is the relay's own.
    pub(super) made_by: MadeBy,
}

/// The changes that make of a document what a writer wants of it who had seen it at `seen`, ascending. Nothing, if it
/// is that already.
///
/// # Errors
/// [`WriteError`]
pub(super) fn edit(
    types: &Registry,
    mut document: Document,
    seen: &[ChangeHash],
    patch: &Patch,
    author: Author,
) -> Result<Option<Sealed>, WriteError> {
    let document_type = type_named(types, document.type_name().as_deref())?;
    // Nothing is written over of which a person has yet to decide.
    document.set_manual(rules(&document_type, author));
    document.check_editable().map_err(broken_rule)?;
    let base = if seen == document.heads() {
        document.value()
    } else {
        document.value_at(seen).map_err(|error| of_history(&error))?
    };
    let wanted = wanted(&document_type, &base, patch)?;
    let edits = document_type.plan(&base, &wanted).map_err(invalid)?;
    if edits.is_empty() {
        return Ok(None);
    }
    settle_manual_fields(&document_type, &document, seen, &edits)?;
    document.edit_at(author.actor, seen, edits).map_err(of_edit)?;
    seal(&mut document, author)
}

/// The changes that make a new document of a type: its defaults, and `value` on top of them.
///
/// # Errors
/// [`WriteError`]
pub(super) fn create(types: &Registry, type_name: &str, value: &Value, author: Author) -> Result<Sealed, WriteError> {
    let document_type = type_named(types, Some(type_name))?;
    let mut document = Document::new(Some(type_name));
    document.set_manual(rules(&document_type, author));
    document.check_editable().map_err(broken_rule)?;
    let defaults = document_type.initial(None);
    document.edit::<(), document::Violation>(author.actor, |draft| make(draft, defaults)).map_err(broken_rule)?;
    let base = document.value();
    let wanted = wanted(&document_type, &base, &Patch::Merge(value.clone()))?;
    let violations = document_type.check(&wanted);
    if !violations.is_empty() {
        return Err(invalid(violations));
    }
    let edits = document_type.plan(&base, &wanted).map_err(invalid)?;
    document.edit::<(), document::Violation>(author.actor, |draft| make(draft, edits)).map_err(broken_rule)?;
    // A document of which nothing is said yet has its type alone.
    let root = Seed::Root { type_name: type_name.to_owned() }.change();
    let empty = || Sealed { seeds: vec![root], changes: Vec::new(), edits: Vec::new() };
    Ok(seal(&mut document, author)?.unwrap_or_else(empty))
}

/// The change that settles a field as a person has decided, which closes the values that he saw.
///
/// # Errors
/// [`WriteError`]
pub(super) fn resolve(
    types: &Registry,
    mut document: Document,
    resolution: &Resolution,
    author: Author,
) -> Result<Sealed, WriteError> {
    let document_type = type_named(types, document.type_name().as_deref())?;
    document.set_manual(rules(&document_type, author));
    document.check_editable().map_err(broken_rule)?;
    let (path, closes) = (resolution.stored_path.clone(), resolution.seen.clone());
    let open = document.conflicts().map_err(|error| of_history(&error))?;
    let Some(conflict) = open.iter().find(|conflict| conflict.path == path) else {
        return Err(WriteError::NoConflict(path));
    };
    if !resolution.is_of(conflict) {
        return Err(WriteError::ConflictMoved(named(conflict)));
    }
    let value = match &resolution.decision {
        Decision::Keep(hash) => {
            let kept = conflict.values.iter().find(|value| value.hash == *hash);
            kept.ok_or_else(|| WriteError::ConflictMoved(named(conflict)))?.value.clone()
        }
        Decision::Put(value) => {
            let violations = document_type.check_decision(&document.value(), &path, value);
            if !violations.is_empty() {
                return Err(invalid(violations));
            }
            value.clone()
        }
    };
    let (note, intent) = (resolution_note(&path), Intent::Resolve { path: path.clone(), value, closes });
    document.edit::<(), document::Violation>(author.actor, |draft| draft.apply(intent)).map_err(broken_rule)?;
    one_change(document.seal_with_note(author.time, &note))?.ok_or(WriteError::NoConflict(path))
}

/// The change that says again what a refused one said, as its author meant it: nothing if the document says that
/// already.
///
/// # Errors
/// [`WriteError`]
pub(super) fn resubmit(
    types: &Registry,
    mut document: Document,
    refused: &Seen,
    author: Author,
) -> Result<Option<Sealed>, WriteError> {
    let document_type = type_named(types, document.type_name().as_deref())?;
    document.set_manual(rules(&document_type, author));
    document.check_editable().map_err(broken_rule)?;
    let hash = refused.past.change().hash();
    let unreadable = |detail: String| WriteError::RefusedUnreadable { hash, detail };
    let edits = refused.past.again(&document, refused.continued_by).map_err(|error| unreadable(error.to_string()))?;
    let base = document.value();
    // A person decides about these fields: not over what its author never saw.
    let saw = refused.past.document().value_at(&refused.past.change().header.deps);
    let saw = saw.map_err(|error| of_history(&error))?;
    let is_unseen = |path: &&str| document_type.is_manual(path) && saw.pointer(path) != base.pointer(path);
    let unseen: Vec<String> = edits.iter().map(Intent::path).filter(is_unseen).map(str::to_owned).collect();
    if !unseen.is_empty() {
        return Err(WriteError::ManualFields(unseen));
    }
    document.edit::<(), document::Violation>(author.actor, |draft| make(draft, edits)).map_err(broken_rule)?;
    document_type.plan(&base, &document_type.plain(&document.value())).map_err(invalid)?;
    one_change(document.seal_with_note(author.time, &resubmission_note(&hash)))
}

/// A type by its name, among those that this relay knows.
///
/// # Errors
/// [`WriteError::UnknownType`]
pub(super) fn type_named(types: &Registry, name: Option<&str>) -> Result<Arc<DocumentType>, WriteError> {
    let known = name.and_then(|name| types.shared(name));
    known.ok_or_else(|| WriteError::UnknownType(name.map(str::to_owned)))
}

/// What may not be written, and by whom.
fn rules(document_type: &DocumentType, author: Author) -> ManualFields {
    let rules = document_type.manual_fields();
    match author.made_by {
        MadeBy::Relay => rules.for_relay(),
        MadeBy::Device => rules,
    }
}

fn make(draft: &mut Draft<'_>, edits: Vec<Intent>) -> Result<(), document::Violation> {
    edits.into_iter().try_for_each(|intent| draft.apply(intent))
}

/// What the patch makes of what readers see; what they do not see stays as it is.
fn wanted(document_type: &DocumentType, base: &Value, patch: &Patch) -> Result<Value, WriteError> {
    let mut plain = document_type.plain(base);
    let field = hidden_field(Some(&document_type.name));
    let hidden = field.and_then(|field| plain.as_object_mut()?.remove(field));
    patch.apply(&mut plain)?;
    let Some(field) = field else { return Ok(plain) };
    if plain.get(field).is_some() {
        return Err(WriteError::Invalid(vec![Violation {
            path: format!("/{field}"),
            code: "hidden".to_owned(),
            message: format!("{field} is no part of what is read and written here"),
            remedy: "leave it out".to_owned(),
            place: None,
        }]));
    }
    if let (Some(fields), Some(hidden)) = (plain.as_object_mut(), hidden) {
        fields.insert(field.to_owned(), hidden);
    }
    Ok(plain)
}

/// Looks that no field is overwritten of which a person has to know what it was.
fn settle_manual_fields(
    document_type: &DocumentType,
    document: &Document,
    seen: &[ChangeHash],
    edits: &[Intent],
) -> Result<(), WriteError> {
    let now = document.heads();
    if seen == now {
        return Ok(());
    }
    let changed = document
        .difference(seen, &now)
        .map_err(|error| of_history(&error))?
        .into_iter()
        .map(|difference| difference.path);
    let is_written = |path: &str| edits.iter().any(|edit| is_within(path, edit.path()) || is_within(edit.path(), path));
    let fields: Vec<String> = changed.filter(|path| document_type.is_manual(path) && is_written(path)).collect();
    if fields.is_empty() { Ok(()) } else { Err(WriteError::ManualFields(fields)) }
}

fn is_within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn seal(document: &mut Document, author: Author) -> Result<Option<Sealed>, WriteError> {
    one_change(document.seal(author.time))
}

/// All of a request gets into the log, or nothing of it.
fn one_change(sealed: Result<Option<Sealed>, SealError>) -> Result<Option<Sealed>, WriteError> {
    match sealed {
        Ok(Some(sealed)) if sealed.changes.len() > 1 => Err(WriteError::TooLarge),
        Ok(sealed) => Ok(sealed),
        Err(SealError::TooLarge { .. }) => Err(WriteError::TooLarge),
        Err(error) => Err(WriteError::Stopped(error.to_string())),
    }
}

fn invalid(violations: Vec<schemas::Violation>) -> WriteError {
    WriteError::Invalid(violations.into_iter().map(Violation::from).collect())
}

fn broken_rule(violation: document::Violation) -> WriteError {
    match violation.code() {
        "broken" => WriteError::Stopped(violation.to_string()),
        "not_flat" => WriteError::UnknownType(None),
        "authority" => WriteError::Authority(violation.problem),
        "newer_major" => WriteError::NewerMajor(violation.problem),
        "conflict_open" => WriteError::ConflictOpen(vec![violation.path.clone()]),
        "conflict_moved" => WriteError::ConflictMoved(violation.problem),
        "no_conflict" => WriteError::NoConflict(violation.path.clone()),
        _ => WriteError::Invalid(vec![violation.into()]),
    }
}

fn of_edit(error: EditAtError) -> WriteError {
    match error {
        EditAtError::Refused(violation) => broken_rule(violation),
        EditAtError::History(error) => of_history(&error),
        other => WriteError::Stopped(other.to_string()),
    }
}

fn of_history(error: &HistoryError) -> WriteError {
    match error {
        HistoryError::Unknown { .. } => WriteError::UnknownVersion(error.to_string()),
        other => WriteError::Stopped(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    const PAGE: Author = Author { actor: Actor([7; 16]), time: 1_700_000_000, made_by: MadeBy::Device };
    const LAPTOP: Actor = Actor([8; 16]);

    fn settings(fields: &Value) -> Document {
        let mut document = Document::new(Some("settings"));
        let put = |draft: &mut Draft<'_>| draft.put("/base", fields.clone());
        document.edit::<(), document::Violation>(LAPTOP, put).unwrap();
        document.seal(1).unwrap();
        document
    }

    #[test]
    fn what_is_equal_already_makes_no_change() {
        let document = settings(&json!({"tabSize": 4}));
        let heads = document.heads();
        let same = Patch::Merge(json!({"base": {"tabSize": 4}}));
        assert!(matches!(edit(Registry::builtin(), document, &heads, &same, PAGE), Ok(None)));
    }

    #[test]
    fn an_edit_that_is_larger_than_one_change_is_no_edit() {
        let document = settings(&json!({"a": 1}));
        let heads = document.heads();
        let large = "x".repeat(250_000);
        let patch = Patch::Merge(json!({"base": {"a": large, "b": large, "c": large}}));
        assert!(matches!(edit(Registry::builtin(), document, &heads, &patch, PAGE), Err(WriteError::TooLarge)));
    }

    #[test]
    fn a_new_document_has_the_defaults_of_its_type_and_what_was_given() {
        let sealed = create(Registry::builtin(), "note", &json!({"name": "plan"}), PAGE).unwrap();
        let mut document = Document::new(None);
        let changes: Vec<_> = sealed.seeds.into_iter().chain(sealed.changes).map(|change| change.bytes).collect();
        document.apply(&changes).unwrap();
        assert_eq!(document.value(), json!({"name": "plan", "body": ""}));
        assert_eq!(document.type_name().as_deref(), Some("note"));
        let empty = create(Registry::builtin(), "settings", &Value::Object(Map::new()), PAGE).unwrap();
        assert_eq!((empty.seeds.len(), empty.changes.len()), (1, 0), "its type alone");
        assert!(matches!(create(Registry::builtin(), "unheard-of", &json!({}), PAGE), Err(WriteError::UnknownType(_))));
        assert!(matches!(create(Registry::builtin(), "note", &json!({"name": 1}), PAGE), Err(WriteError::Invalid(_))));
    }

    #[test]
    fn a_manual_field_that_changed_since_is_not_overwritten_unseen() {
        let schema = r#"{"$schema": "https://json-schema.org/draft/2020-12/schema", "x-type": "badge", "x-version": 1,
            "type": "object", "properties": {"plan": {"type": "string", "x-merge": "manual"}, "note": {"type": "string"}}}"#;
        let registry = Registry::with_files([("badge/1.json", schema)]).unwrap();
        let badge = registry.get("badge").unwrap();
        let mut document = Document::new(Some("badge"));
        let mut states = Vec::new();
        for plan in ["free", "paid"] {
            let put = |draft: &mut Draft<'_>| draft.put("/plan", plan.into());
            document.edit::<(), document::Violation>(LAPTOP, put).unwrap();
            document.seal(1).unwrap();
            states.push(document.heads());
        }
        let put = |path: &str| vec![Intent::Put { path: path.into(), value: "mine".into() }];
        let check = |seen: &[ChangeHash], path: &str| settle_manual_fields(badge, &document, seen, &put(path));
        let Err(WriteError::ManualFields(fields)) = check(&states[0], "/plan") else { panic!("it was overwritten") };
        assert_eq!(fields, ["/plan"]);
        assert!(check(&states[0], "/note").is_ok(), "other fields merge");
        assert!(check(&states[1], "/plan").is_ok(), "who has seen it may");
        assert!(check(&states[0], "").is_err(), "nor by what is around it");
    }

    #[test]
    fn nothing_is_written_over_values_about_which_a_person_has_yet_to_decide() {
        let mut laptop = Document::new(Some("profile"));
        let mut desktop = laptop.clone();
        for (document, actor, handle) in [(&mut laptop, LAPTOP, "ada"), (&mut desktop, Actor([9; 16]), "lovelace")] {
            let put = |draft: &mut Draft<'_>| draft.put("/handle", handle.into());
            document.edit::<(), document::Violation>(actor, put).unwrap();
        }
        laptop.seal(1).unwrap();
        let theirs = desktop.seal(1).unwrap().unwrap();
        let changes: Vec<_> = theirs.seeds.into_iter().chain(theirs.changes).map(|change| change.bytes).collect();
        laptop.apply(&changes).unwrap();
        let heads = laptop.heads();
        let write = |fields: Value| edit(Registry::builtin(), laptop.clone(), &heads, &Patch::Merge(fields), PAGE);
        let Err(WriteError::ConflictOpen(fields)) = write(json!({"handle": "countess"})) else {
            panic!("two values were written over")
        };
        assert_eq!(fields, ["/handle"]);
        assert!(write(json!({"name": "Ada"})).is_ok(), "other fields can be written");

        // Nor by a page that saw both, and whose version is an earlier one because another field changed since.
        let put = |draft: &mut Draft<'_>| draft.put("/name", "Ada".into());
        laptop.edit::<(), document::Violation>(LAPTOP, put).unwrap();
        laptop.seal(2).unwrap();
        let late =
            edit(Registry::builtin(), laptop.clone(), &heads, &Patch::Merge(json!({"handle": "countess"})), PAGE);
        assert!(matches!(late, Err(WriteError::ConflictOpen(_))), "two values were written over");
    }

    #[test]
    fn what_a_newer_program_has_written_is_only_read() {
        let mut document = settings(&json!({"a": 1}));
        let put = |draft: &mut Draft<'_>| draft.put(document::MAJOR_PATH, 2.into());
        document.edit::<(), document::Violation>(LAPTOP, put).unwrap();
        document.seal(2).unwrap();
        let heads = document.heads();
        let Err(error) =
            edit(Registry::builtin(), document.clone(), &heads, &Patch::Merge(json!({"base": {"a": 2}})), PAGE)
        else {
            panic!("it was written")
        };
        assert!(matches!(&error, WriteError::NewerMajor(_)) && error.to_string().contains("version 2"), "{error}");
        let said = Patch::Merge(json!({"$major": 1}));
        let Err(WriteError::Invalid(broken)) = edit(Registry::builtin(), settings(&json!({"a": 1})), &[], &said, PAGE)
        else {
            panic!("it is no field")
        };
        assert_eq!((broken[0].path.as_str(), broken[0].code.as_str()), ("/$major", "key"));
    }

    #[test]
    fn the_layout_of_a_file_stays_and_cannot_be_written() {
        let mut document = settings(&json!({"a": 1}));
        let put = |draft: &mut Draft<'_>| draft.put("/layout/base/file/style", "tight".into());
        document.edit::<(), document::Violation>(LAPTOP, put).unwrap();
        document.seal(2).unwrap();
        let heads = document.heads();
        let replace = br#"[{"op":"replace","path":"","value":{"base":{"b":2}}}]"#;
        let sealed = edit(Registry::builtin(), document.clone(), &heads, &Patch::steps(replace).unwrap(), PAGE)
            .unwrap()
            .unwrap();
        let mut after = document.clone();
        after.apply(&[sealed.changes[0].bytes.clone()]).unwrap();
        assert_eq!(after.value(), json!({"base": {"b": 2}, "layout": {"base": {"file": {"style": "tight"}}}}));
        let layout = Patch::Merge(json!({"layout": {"base": {"file": {"style": "loose"}}}}));
        assert!(matches!(edit(Registry::builtin(), document, &heads, &layout, PAGE), Err(WriteError::Invalid(_))));
    }
}

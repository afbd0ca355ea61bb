//! A version of a type against the one before it: documents that an earlier program wrote stay readable, and what a
//! later one writes does not break in the hands of the earlier one (PROTOCOL §7).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::faults::Faults;
use super::key;
use super::node::Node;
use crate::join;
use crate::pointer::unescape;

/// Another schema for a version that is there already.
pub(super) fn redefined(schema: &Value, faults: &mut Faults) {
    let (name, version) = key(schema);
    let rule = format!("there is another {name} version {version}, and a version is never changed");
    faults.add("/x-version", "redefined", rule, "give it a new number");
}

pub(super) fn check(previous: &Value, schema: &Value, faults: &mut Faults) {
    let ((_, before), (_, now)) = (key(previous), key(schema));
    let well_known = |schema: &Value| schema.get("x-well-known") == Some(&Value::Bool(true));
    if well_known(previous) != well_known(schema) {
        let rule = format!("x-well-known is not what it was in version {before}, and would give documents other ids");
        faults.add("/x-well-known", "well_known_changed", rule, "leave it as it was, or begin another type");
    }
    if previous.get("x-authority") != schema.get("x-authority") {
        let rule = format!("who writes documents of this type is not what it was in version {before}");
        faults.add("/x-authority", "authority_changed", rule, "leave it as it was, or begin another type");
    }
    let (was, is) = (major(previous), major(schema));
    if is < was {
        let rule =
            format!("x-major is {is}, and was {was} in version {before}: its documents would be read-only for good");
        faults.add("/x-major", "major_lowered", rule, format!("write {was}, or more"));
    }
    let may_narrow = is > was;
    let (was, is) = (Node::root(previous), Node::root(schema));
    let when = public_when(previous, &was);
    if when.is_some() && when != public_when(schema, &is) {
        let rule = format!("what x-public-when of version {before} keeps from being shown would be shown");
        faults.add("/x-public-when", "public_when_changed", rule, "leave it as it was, or begin another type");
    }
    let mut walk = Walk { before, now, may_narrow, faults };
    walk.value(&was, &is);
}

/// Which programs may write what this version has written.
fn major(schema: &Value) -> u64 {
    schema.get("x-major").and_then(Value::as_u64).unwrap_or(1)
}

struct Walk<'f> {
    before: u64,
    now: u64,
    /// Programs that write the earlier version only read the documents of this one.
    may_narrow: bool,
    faults: &'f mut Faults,
}

impl Walk<'_> {
    fn value(&mut self, previous: &Node<'_>, present: &Node<'_>) {
        let (was, is) = (previous.container(), present.container());
        if was != is {
            let rule = format!("this was kept as {was:?} in version {}, and now as {is:?}", self.before);
            let remedy = "keep it as it was, and put the new kind under a key of its own";
            return self.faults.add(present.pointer(), "container_changed", rule, remedy);
        }
        self.conversions(previous, present);
        if !self.may_narrow {
            self.types(previous, present);
            self.listed(previous, present);
        }
        self.fields(previous, present);
        for keyword in ["additionalProperties", "items"] {
            if let (Some(previous), Some(present)) = (previous.held(keyword), present.held(keyword)) {
                self.value(&previous, &present);
            }
        }
    }

    fn types(&mut self, previous: &Node<'_>, present: &Node<'_>) {
        let Some(is) = present.types() else { return };
        let converted = converted(present);
        let is_converted = |value: &Value| converted.contains(&value.to_string());
        let are_converted = |was: &str| previous.values_of(was).is_some_and(|values| values.iter().all(is_converted));
        let fits = |was: &str| is.contains(&was) || (was == "integer" && is.contains(&"number")) || are_converted(was);
        if !previous.types().is_some_and(|was| was.into_iter().all(fits)) {
            let pointer = present.get("type").map_or_else(|| present.pointer().to_owned(), |(pointer, _)| pointer);
            let rule = format!("values of version {} may be of a type that is not allowed any more", self.before);
            self.faults.add(&pointer, "type_narrowed", rule, "allow that type as well");
        }
    }

    fn listed(&mut self, previous: &Node<'_>, present: &Node<'_>) {
        let Some((pointer, listed)) = present.get("enum") else { return };
        let mut is: BTreeSet<String> = listed.as_array().into_iter().flatten().map(Value::to_string).collect();
        is.extend(converted(present));
        if !possible(previous).is_some_and(|was| was.is_subset(&is)) {
            let rule = format!("values of version {} may be among those that are not listed any more", self.before);
            self.faults.add(&pointer, "enum_narrowed", rule, "list them as well");
        }
    }

    /// What is stored for a value stays what it is, and is what earlier programs can read.
    fn conversions(&mut self, previous: &Node<'_>, present: &Node<'_>) {
        let (was, is) = (previous.conversions(), present.conversions());
        for (stored, value) in was.difference(&is) {
            let rule = format!("version {} stores {stored} for {value}, and documents hold it", self.before);
            self.faults.add(present.pointer(), "conversion_lost", rule, "keep that conversion");
        }
        let Some((pointer, _)) = present.get("x-convert") else { return };
        let may_hold = |stored: &str| possible(previous).is_none_or(|possible| possible.contains(stored));
        for (stored, _) in is.difference(&was).filter(|(stored, _)| !may_hold(stored)) {
            let rule = format!("{stored} is no value of this field in version {}, so nobody stored it", self.before);
            self.faults.add(&pointer, "conversion_unread", rule, "remove it, or write what that version allows");
        }
    }

    fn fields(&mut self, previous: &Node<'_>, present: &Node<'_>) {
        let (was, is) = (by_stored_key(previous), by_stored_key(present));
        let names: BTreeMap<&str, &Node<'_>> = is.values().map(|(name, field)| (*name, field)).collect();
        for (stored, (name, field)) in &was {
            match (is.get(stored), names.get(name)) {
                (Some((_, now)), _) => self.value(field, now),
                (None, Some(now)) => self.moved(now, name, stored),
                (None, None) => self.gone(present, name, stored),
            }
        }
        for (_, (name, field)) in is.iter().filter(|(stored, _)| !was.contains_key(*stored)) {
            self.new_field(name, field);
        }
        if !self.may_narrow {
            self.required(previous, present, &was, &is);
        }
    }

    fn moved(&mut self, field: &Node<'_>, name: &str, stored: &str) {
        let rule = format!("{name:?} was stored under {stored:?} in version {}", self.before);
        let remedy = format!("write \"x-stored-as\": {stored:?}, because a stored key never changes its name");
        self.faults.add(field.pointer(), "stored_key_changed", rule, remedy);
    }

    fn gone(&mut self, present: &Node<'_>, name: &str, stored: &str) {
        let rule = format!("{name:?} of version {} is gone, and documents still hold it", self.before);
        let remedy = format!("keep it (\"deprecated\": true), or rename it with \"x-stored-as\": {stored:?}");
        self.faults.add(&join(present.pointer(), "properties"), "field_removed", rule, remedy);
    }

    fn new_field(&mut self, name: &str, field: &Node<'_>) {
        let since = field.get("x-since").and_then(|(_, since)| since.as_u64());
        if since.is_none_or(|since| since <= self.before) {
            let rule = format!("{name:?} is new after version {}", self.before);
            self.faults.add(field.pointer(), "since_missing", rule, format!("write \"x-since\": {}", self.now));
        }
    }

    fn required(&mut self, previous: &Node<'_>, present: &Node<'_>, was: &Fields<'_>, is: &Fields<'_>) {
        let keys = |fields: &Fields<'_>| -> BTreeMap<String, String> {
            fields.iter().map(|(stored, (name, _))| ((*name).to_owned(), (*stored).to_owned())).collect()
        };
        let (was, is) = (keys(was), keys(is));
        let stored =
            |keys: &BTreeMap<String, String>, name: &str| keys.get(name).map_or(name, String::as_str).to_owned();
        let before: BTreeSet<String> = previous.required().iter().map(|(_, name)| stored(&was, name)).collect();
        for (pointer, name) in present.required() {
            if !before.contains(&stored(&is, name)) {
                let rule = format!("{name:?} was not required in version {}: older documents lack it", self.before);
                self.faults.add(&pointer, "required_added", rule, "do not require it");
            }
        }
    }
}

/// The key under which the field is stored that says whether a document is shown.
fn public_when<'a>(schema: &'a Value, node: &Node<'a>) -> Option<&'a str> {
    let name = unescape(schema.get("x-public-when")?.as_str()?.trim_start_matches('/'));
    let (name, field) = node.fields().into_iter().find(|(known, _)| *known == name)?;
    Some(field.stored_as(name))
}

/// What is stored for values that are called otherwise now.
fn converted(node: &Node<'_>) -> BTreeSet<String> {
    node.conversions().into_iter().map(|(stored, _)| stored).collect()
}

/// Every value that is allowed; nothing if these are too many to name.
fn possible(node: &Node<'_>) -> Option<BTreeSet<String>> {
    let values: Option<Vec<Vec<Value>>> = node.types()?.into_iter().map(|name| node.values_of(name)).collect();
    Some(values?.iter().flatten().map(Value::to_string).collect())
}

/// Fields with their names, by the key under which they are stored.
type Fields<'a> = BTreeMap<&'a str, (&'a str, Node<'a>)>;

fn by_stored_key<'a>(node: &Node<'a>) -> Fields<'a> {
    node.fields().into_iter().map(|(name, field)| (field.stored_as(name), (name, field))).collect()
}

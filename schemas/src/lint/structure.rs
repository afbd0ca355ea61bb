//! The fields of a document together: under which keys they are stored, which policies ever apply, what can be indexed,
//! and what the top of the type says of them.
//!
//! What can be indexed is a scalar that a document has once: a field of the document, or of an object in it, and so on.
//! Of the keys of a map, the items of a list and what lies inside a register there are many or none by themselves.

use std::collections::BTreeMap;

use serde_json::Value;

use super::faults::Faults;
use super::node::{Container, Node};
use crate::list::ORDER;
use crate::pointer::{join, unescape};
use crate::shape::Shape;

pub(super) fn check(root: &Value, faults: &mut Faults) {
    let node = Node::root(root);
    check_authority(root, faults);
    check_title(root, &node, faults);
    check_public_when(root, &node, faults);
    let mut walk = Walk { faults };
    walk.value(&node, Room::Once);
}

/// What surrounds a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// A document has it once.
    Once,
    /// A document has it for each key or item.
    Many,
    /// It is a part of a leaf that merges as a whole.
    Leaf,
}

struct Walk<'f> {
    faults: &'f mut Faults,
}

impl Walk<'_> {
    fn value(&mut self, node: &Node<'_>, room: Room) {
        self.merge(node, room);
        self.index(node, room);
        self.limit(node);
        self.convert(node, room);
        self.required(node);
        let container = node.container();
        let is_whole = room == Room::Leaf || matches!(node.text("x-merge"), Some("register" | "manual"));
        let fields = node.fields();
        self.stored_keys(node, &fields, is_whole);
        for field in fields.values() {
            self.value(field, if is_whole { Room::Leaf } else { room });
        }
        if let Some(others) = node.held("additionalProperties") {
            self.value(&others, if is_whole { Room::Leaf } else { Room::Many });
        }
        if let Some(items) = node.held("items") {
            let is_list = !is_whole && container == Container::List;
            if is_list {
                self.order(&items);
            }
            self.value(&items, if is_list { Room::Many } else { Room::Leaf });
        }
    }

    fn merge(&mut self, node: &Node<'_>, room: Room) {
        let Some((pointer, merge)) = node.get("x-merge") else { return };
        if room == Room::Leaf && merge != "register" {
            let rule = format!("x-merge {merge} never applies inside a value that merges as a whole");
            let remedy = "remove it, or let what surrounds it merge as a map or a list";
            self.faults.add(&pointer, "merge_inside_leaf", rule, remedy);
        }
    }

    fn index(&mut self, node: &Node<'_>, room: Room) {
        let Some((pointer, index)) = node.get("x-index") else { return };
        if room != Room::Once {
            let rule = "only what a document has once can be indexed: no keys of a map, items, or parts of a register";
            self.faults.add(&pointer, "index_place", rule, "remove it, or keep the value in a field of its own");
        }
        let types = node.types();
        let fits = |allowed: &[&str]| types.iter().flatten().all(|one| *one == "null" || allowed.contains(one));
        let is_set = node.get("x-merge").is_some_and(|(_, merge)| merge == "set");
        if index == "text" && (types.is_none() || !fits(&["string"])) {
            self.faults.add(&pointer, "index_type", "only strings are found by words", "write \"type\": \"string\"");
        }
        if index == "value" && !is_set && !fits(&["string", "number", "integer", "boolean"]) {
            let rule = "only strings, numbers, booleans and members of sets are found by value";
            self.faults.add(&pointer, "index_type", rule, "remove it, or keep such a value in a field of its own");
        }
    }

    fn limit(&mut self, node: &Node<'_>) {
        let Some((pointer, limit)) = node.get("x-limit") else { return };
        if limit.get("items").is_some() && !node.allows("array") && !node.allows("object") {
            let rule = "a limit of items is one of arrays and objects";
            self.faults.add(&pointer, "limit_type", rule, "use a limit of bytes");
        }
    }

    /// A conversion is one of a register by itself, in which nobody looks for the stored values.
    fn convert(&mut self, node: &Node<'_>, room: Room) {
        let Some((pointer, _)) = node.get("x-convert") else { return };
        let merges = node.text("x-merge");
        if room == Room::Leaf || !matches!(merges, None | Some("register")) {
            let rule = "only a field that merges as a register, and by itself, is converted";
            self.faults.add(&pointer, "convert_place", rule, "put new values under a key of their own");
        }
        if node.has("x-index") {
            let rule = "documents are found by what is stored, and a conversion shows another value";
            self.faults.add(&pointer, "convert_place", rule, "remove x-index, or put new values under another key");
        }
    }

    fn required(&mut self, node: &Node<'_>) {
        let fields = node.fields();
        for (pointer, name) in node.required() {
            if !fields.contains_key(name) {
                let rule = format!("{name:?} is required, and there is no such field");
                self.faults.add(&pointer, "required_unknown", rule, "add it to properties, or do not require it");
            }
        }
    }

    fn stored_keys(&mut self, node: &Node<'_>, fields: &BTreeMap<&str, Node<'_>>, is_whole: bool) {
        let mut names: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, field) in fields {
            let stored = field.stored_as(name);
            let place = if stored == *name { field.pointer().to_owned() } else { join(field.pointer(), "x-stored-as") };
            if is_whole && stored != *name {
                let rule = "x-stored-as never applies inside a value that merges as a whole";
                self.faults.add(&place, "merge_inside_leaf", rule, "remove it");
            }
            let is_type = stored.is_empty() && node.pointer().is_empty();
            if is_type || stored.contains('\0') {
                let rule = "a stored key has no NUL in it and, at the top of a document, is not empty";
                self.faults.add(&place, "key", rule, "use another key");
            }
            if let Some(other) = names.insert(stored, name) {
                let rule = format!("{other:?} and {name:?} are both stored under {stored:?}");
                self.faults.add(&place, "stored_twice", rule, "give one of them another x-stored-as");
            }
        }
    }

    /// The one key that items of a list cannot have.
    fn order(&mut self, items: &Node<'_>) {
        for (name, field) in items.fields() {
            if field.stored_as(name) == ORDER {
                let rule = format!("items of a list are kept in order by a key {ORDER:?} of their own");
                self.faults.add(field.pointer(), "list_order", rule, "store it under another key with x-stored-as");
            }
        }
    }
}

/// A device's change is told from the relay's by the id of its document, which therefore has to be derived; and what
/// the relay writes, a command of the relay has to say.
fn check_authority(root: &Value, faults: &mut Faults) {
    if root.get("x-authority").is_none() {
        return;
    }
    if root.get("x-well-known") != Some(&Value::Bool(true)) {
        let rule = "only what has a derived id can be told from documents that devices write";
        faults.add("/x-authority", "authority", rule, "add \"x-well-known\": true");
    }
    if root.get("x-type").and_then(Value::as_str).is_some_and(|name| name.starts_with("ext.")) {
        let rule = "no command of the relay writes a type that is not built in, and nobody else may";
        faults.add("/x-authority", "authority", rule, "remove it");
    }
}

fn check_title(root: &Value, node: &Node<'_>, faults: &mut Faults) {
    let Some(title) = root.get("x-title").and_then(Value::as_str) else { return };
    let field = node.fields().remove(unescape(title.trim_start_matches('/')).as_str());
    let is_converted = field.as_ref().is_some_and(|field| field.has("x-convert"));
    let is_string = field.and_then(|field| field.types()).is_some_and(|types| types.contains(&"string"));
    if !is_string {
        let rule = format!("x-title {title:?} is no field of type string");
        faults.add("/x-title", "title", rule, "write a JSON Pointer to such a field, as in \"/name\"");
    } else if is_converted {
        let rule = format!("x-title {title:?} is converted, and documents are found by the title that is stored");
        faults.add("/x-title", "title", rule, "write a JSON Pointer to a field without x-convert");
    }
}

/// Two at once of a field that a person decides about would be none: nobody could say whether the document is shown.
fn check_public_when(root: &Value, node: &Node<'_>, faults: &mut Faults) {
    let Some(when) = root.get("x-public-when").and_then(Value::as_str) else { return };
    let field = node.fields().remove(unescape(when.trim_start_matches('/')).as_str());
    let is_register = |field: &Node<'_>| matches!(field.text("x-merge"), None | Some("register"));
    let types = field.filter(is_register).and_then(|field| field.types()).unwrap_or_default();
    if !types.contains(&"boolean") || !types.iter().all(|one| matches!(*one, "boolean" | "null")) {
        let rule = format!("x-public-when {when:?} is no field of type boolean that merges as a register");
        faults.add("/x-public-when", "public_when", rule, "write a JSON Pointer to such a field, as in \"/shown\"");
    }
    if !Shape::compile(root).has_public() {
        let rule = "nothing is public, so there is nothing that x-public-when could show";
        faults.add("/x-public-when", "public_when", rule, "remove it, or write x-public beside what is to be shown");
    }
}

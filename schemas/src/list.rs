//! Ordered collections: plain arrays stored as keyed items `/PATH/ID/…` with an `order` leaf each.
//!
//! Ids come from content and occurrence, so that the same file imported on two devices gives the same items; an item
//! that was merely changed keeps its id, so that what another device changes in it meanwhile is merged.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use serde_json::{Map, Value};

use crate::manual::is_void;
use crate::order;
use crate::shape::{Merge, Shape};

/// The leaf of an item that holds its order.
pub(crate) const ORDER: &str = "order";

/// The plain form of a stored value; a plain value stays as it is.
pub(crate) fn plain(shape: &Shape, stored: &Value) -> Value {
    let fields = match stored {
        Value::Object(fields) => fields,
        // A list in its plain form: its items are in theirs.
        Value::Array(items) if shape.merge == Merge::List => {
            return items.iter().map(|item| plain(shape.items(), item)).collect();
        }
        other => return shape.converted(other).clone(),
    };
    match shape.merge {
        Merge::Register | Merge::Manual => stored.clone(),
        Merge::List => Value::Array(items(shape, fields).into_iter().map(|item| item.plain).collect()),
        Merge::Set => fields.keys().map(|element| Value::from(element.as_str())).collect(),
        Merge::Natural | Merge::Text | Merge::Counter => fields
            .iter()
            .filter(|(stored, value)| !is_void(shape.at(shape.plain_key(stored)), value))
            .map(|(stored, value)| {
                let key = shape.plain_key(stored);
                (key.to_owned(), plain(shape.at(key), value))
            })
            .collect(),
    }
}

/// The stored form of the plain array `wanted`, close to what is stored now.
pub(crate) fn stored(shape: &Shape, current: Option<&Value>, wanted: &[Value]) -> Map<String, Value> {
    identified(shape, current, wanted).into_iter().collect()
}

/// The items of [`stored`] in the order of `wanted`, each with its id.
pub(crate) fn identified(shape: &Shape, current: Option<&Value>, wanted: &[Value]) -> Vec<(String, Value)> {
    let empty = Map::new();
    let current = items(shape, current.and_then(Value::as_object).unwrap_or(&empty));
    let matches = matched(shape.items(), &current, wanted);
    let ids = ids(&current, &matches, wanted);
    let current: Vec<&str> = current.iter().map(|item| item.order.as_str()).collect();
    let with_order = |((id, order), item): ((String, String), &Value)| {
        let mut item = item.as_object().cloned().unwrap_or_default();
        item.insert(ORDER.to_owned(), Value::from(order));
        (id, Value::Object(item))
    };
    ids.into_iter().zip(orders(&current, &matches)).zip(wanted).map(with_order).collect()
}

/// The plain items of a stored list in their order, each with its id.
pub(crate) fn in_order(shape: &Shape, fields: &Map<String, Value>) -> Vec<(String, Value)> {
    items(shape, fields).into_iter().map(|item| (item.id, item.plain)).collect()
}

/// One stored item, in its place.
struct Item {
    id: String,
    order: String,
    plain: Value,
}

/// The ids of the items in order.
pub(crate) fn ids_in_order(shape: &Shape, fields: &Map<String, Value>) -> impl Iterator<Item = String> {
    items(shape, fields).into_iter().map(|item| item.id)
}

/// The items in order; equal orders (two devices inserted at one place) are told apart by id.
fn items(shape: &Shape, fields: &Map<String, Value>) -> Vec<Item> {
    let mut items: Vec<Item> = fields
        .iter()
        .filter(|(_, stored)| !is_void(shape.items(), stored))
        .map(|(id, stored)| {
            let mut stored = stored.clone();
            let order = stored.as_object_mut().and_then(|fields| fields.remove(ORDER));
            let order = order.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
            Item { id: id.clone(), order, plain: plain(shape.items(), &stored) }
        })
        .collect();
    // An item without an order (its writer is newer or broken) goes last rather than first.
    items.sort_by(|a, b| (a.order.is_empty(), &a.order, &a.id).cmp(&(b.order.is_empty(), &b.order, &b.id)));
    items
}

/// For each wanted item, the current one that it is: first by equal content, then by all required fields, then by any.
fn matched(shape: &Shape, current: &[Item], wanted: &[Value]) -> Vec<Option<usize>> {
    let mut matches = vec![None; wanted.len()];
    let mut free: BTreeSet<usize> = (0..current.len()).collect();
    let mut pass = |likeness: &dyn Fn(&Value) -> Option<String>| {
        let mut alike: HashMap<String, VecDeque<usize>> = HashMap::new();
        for at in &free {
            if let Some(likeness) = likeness(&current[*at].plain) {
                alike.entry(likeness).or_default().push_back(*at);
            }
        }
        for (found, wanted) in matches.iter_mut().zip(wanted) {
            if found.is_none()
                && let Some(at) = likeness(wanted).and_then(|likeness| alike.get_mut(&likeness)?.pop_front())
            {
                free.remove(&at);
                *found = Some(at);
            }
        }
    };
    pass(&|item| Some(canonical(item)));
    pass(&|item| shape.required.iter().map(|key| item.get(key).map(canonical)).collect());
    for key in &shape.required {
        pass(&|item| item.get(key).map(canonical));
    }
    matches
}

/// The id of each wanted item: the one it has, else one from its content and how often that came before.
fn ids(current: &[Item], matches: &[Option<usize>], wanted: &[Value]) -> Vec<String> {
    let mut taken: BTreeSet<String> = current.iter().map(|item| item.id.clone()).collect();
    let mut occurrences: BTreeMap<String, u64> = BTreeMap::new();
    let mut ids = Vec::with_capacity(wanted.len());
    for (found, item) in matches.iter().zip(wanted) {
        let content = canonical(item);
        let occurrence = occurrences.entry(content.clone()).or_default();
        ids.push(match found {
            Some(at) => current[*at].id.clone(),
            None => loop {
                let id = content_id(&content, *occurrence);
                if taken.insert(id.clone()) {
                    break id;
                }
                *occurrence += 1;
            },
        });
        *occurrence += 1;
    }
    ids
}

fn content_id(content: &str, occurrence: u64) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("symphony-vault 1 list item");
    hasher.update(&occurrence.to_be_bytes());
    hasher.update(content.as_bytes());
    hasher.finalize().to_hex()[..20].to_owned()
}

/// The order of each wanted item, given the current orders in their sequence and which of them each wanted item has.
/// As many as possible keep theirs; the others are spread into the gaps.
pub(crate) fn orders(current: &[&str], matches: &[Option<usize>]) -> Vec<String> {
    let mut kept = longest_ascending(current, matches);
    loop {
        match fill_gaps(&kept) {
            Ok(orders) if orders.iter().all(|order| order.len() <= order::ORDER_BYTES_MAX) => return orders,
            Ok(_) => return order::spread(None, None, matches.len()),
            Err(tied) => kept[tied] = None,
        }
    }
}

/// All orders, or the place of a kept item that leaves no room before it because its order equals that of the one
/// before.
fn fill_gaps(kept: &[Option<&str>]) -> Result<Vec<String>, usize> {
    let mut orders: Vec<String> = Vec::with_capacity(kept.len());
    let mut at = 0;
    while at < kept.len() {
        let Some(order) = kept[at] else {
            let end = (at..kept.len()).find(|next| kept[*next].is_some()).unwrap_or(kept.len());
            let lower = orders.last().cloned();
            let upper = kept.get(end).copied().flatten();
            if let (Some(lower), Some(upper)) = (&lower, upper)
                && lower.as_str() >= upper
            {
                return Err(end);
            }
            orders.extend(order::spread(lower.as_deref(), upper, end - at));
            at = end;
            continue;
        };
        orders.push(order.to_owned());
        at += 1;
    }
    Ok(orders)
}

/// The orders that can stay: the longest subsequence of matched items that is already in the wanted sequence.
fn longest_ascending<'a>(current: &[&'a str], matches: &[Option<usize>]) -> Vec<Option<&'a str>> {
    let usable: Vec<(usize, usize)> = matches
        .iter()
        .enumerate()
        .filter_map(|(place, at)| at.map(|at| (place, at)))
        .filter(|(_, at)| order::is_valid(current[*at]))
        .collect();
    // Patience sorting over places in the current sequence: `tops[n]` ends the best subsequence of length n + 1.
    let mut tops: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(usable.len());
    for (index, (_, at)) in usable.iter().enumerate() {
        let length = tops.partition_point(|top| usable[*top].1 < *at);
        before.push(length.checked_sub(1).map(|shorter| tops[shorter]));
        if length == tops.len() { tops.push(index) } else { tops[length] = index }
    }
    let mut kept = vec![None; matches.len()];
    let mut next = tops.last().copied();
    while let Some(index) = next {
        let (place, at) = usable[index];
        kept[place] = Some(current[at]);
        next = before[index];
    }
    kept
}

/// JSON with sorted keys, whatever order the host's `serde_json` keeps.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
            let fields: Vec<String> = sorted
                .into_iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        scalar => scalar.to_string(),
    }
}

//! What a query for tasks means, by a look at every document.

use std::cmp::Ordering;

use editor_vault::{Compare, Direction, DocumentId, Found, ListFilter, Query, Vault};
use serde_json::{Map, Value};

use super::tasks::TASK;

/// A query as a test says it; what a vault is asked is made of it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) filters: Vec<(&'static str, Compare)>,
    pub(crate) sort: (&'static str, Direction),
    pub(crate) limit: usize,
}

impl Asked {
    pub(crate) fn query(&self) -> Query {
        let query = Query::of(TASK).sort(self.sort.0, self.sort.1).limit(self.limit);
        self.filters.iter().fold(query, |query, (path, compare)| query.where_(*path, compare.clone()))
    }

    /// Every document that fits, in order.
    pub(crate) fn answer(&self, vault: &Vault) -> Vec<Found> {
        let listed = vault.list(&ListFilter { type_name: Some(TASK.into()), ..ListFilter::default() }).unwrap();
        let mut fitting: Vec<(Value, DocumentId, Found)> = Vec::new();
        for info in listed {
            let plain = vault.document(info.space, info.id).unwrap().plain().unwrap();
            if self.filters.iter().all(|(path, compare)| fits(plain.pointer(path), compare)) {
                let key = plain.pointer(self.sort.0).map_or(Value::Array(vec![]), Value::clone);
                let paths = ["/title", "/points", "/done", "/place/floor"];
                let scalars = paths.iter().filter_map(|path| Some(((*path).to_owned(), plain.pointer(path)?.clone())));
                let mut fields: Map<String, Value> = scalars.collect();
                let tags = plain.pointer("/tags").filter(|tags| !is_empty(tags));
                fields.extend(tags.map(|tags| ("/tags".into(), tags.clone())));
                let title = plain.pointer("/title").and_then(Value::as_str).map(str::to_owned);
                fitting.push((key, info.id, Found { space: info.space, id: info.id, title, fields, snippet: None }));
            }
        }
        fitting.sort_by(|a, b| order(&a.0, &b.0).then(a.1.cmp(&b.1)));
        if self.sort.1 == Direction::Descending {
            fitting.reverse();
        }
        fitting.into_iter().map(|(_, _, found)| found).take(self.limit).collect()
    }
}

fn is_empty(tags: &Value) -> bool {
    tags.as_array().is_none_or(Vec::is_empty)
}

/// The kinds of values in their order; an array stands for no value.
fn kind(value: &Value) -> u8 {
    match value {
        Value::Array(_) | Value::Object(_) => 0,
        Value::Null => 1,
        Value::Bool(_) => 2,
        Value::Number(_) => 3,
        Value::String(_) => 4,
    }
}

fn order(a: &Value, b: &Value) -> Ordering {
    kind(a).cmp(&kind(b)).then_with(|| match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => a.as_f64().unwrap().total_cmp(&b.as_f64().unwrap()),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ => Ordering::Equal,
    })
}

fn fits(value: Option<&Value>, compare: &Compare) -> bool {
    match value {
        Some(Value::Array(members)) if !members.is_empty() => members.iter().any(|member| fits(Some(member), compare)),
        None | Some(Value::Array(_) | Value::Object(_)) => *compare == Compare::Absent,
        Some(value) => {
            let against = |other: &Value| (kind(value) == kind(other)).then(|| order(value, other));
            match compare {
                Compare::Equal(other) => against(other) == Some(Ordering::Equal),
                Compare::Below(other) => against(other) == Some(Ordering::Less),
                Compare::AtMost(other) => against(other).is_some_and(Ordering::is_le),
                Compare::Above(other) => against(other) == Some(Ordering::Greater),
                Compare::AtLeast(other) => against(other).is_some_and(Ordering::is_ge),
                Compare::StartsWith(beginning) => value.as_str().is_some_and(|text| text.starts_with(beginning)),
                Compare::Present => true,
                Compare::Absent => false,
            }
        }
    }
}

//! What a program changed, carried over to everything that is there: fields it does not know stay.

use std::collections::{HashMap, VecDeque};

use serde_json::{Map, Value};

/// `full` with the difference from `before` to `after`, where `before` is what a program sees of `full`.
///
/// What is in neither stays; what is in `before` alone is removed. Items of arrays are known again by what the program
/// sees of them, or by their place if there are as many as before.
#[must_use]
pub fn carry(full: &Value, before: &Value, after: &Value) -> Value {
    match (full, before, after) {
        (Value::Object(full), Value::Object(before), Value::Object(after)) => fields(full, before, after),
        (Value::Array(full), Value::Array(before), Value::Array(after)) if full.len() == before.len() => {
            items(full, before, after)
        }
        _ if before == after => full.clone(),
        _ => after.clone(),
    }
}

fn fields(full: &Map<String, Value>, before: &Map<String, Value>, after: &Map<String, Value>) -> Value {
    let stays = |key: &String| after.contains_key(key) || !before.contains_key(key);
    let mut carried: Map<String, Value> =
        full.iter().filter(|(key, _)| stays(key)).map(|(key, value)| (key.clone(), value.clone())).collect();
    for (key, value) in after {
        let value = match (full.get(key), before.get(key)) {
            (Some(full), Some(before)) => carry(full, before, value),
            // A default that the program fills in was not written by anybody.
            (None, Some(before)) if before == value => continue,
            _ => value.clone(),
        };
        carried.insert(key.clone(), value);
    }
    Value::Object(carried)
}

fn items(full: &[Value], before: &[Value], after: &[Value]) -> Value {
    let mut alike: HashMap<String, VecDeque<usize>> = HashMap::new();
    for (at, item) in before.iter().enumerate() {
        alike.entry(item.to_string()).or_default().push_back(at);
    }
    let mut known = |item: &Value| alike.get_mut(&item.to_string()).and_then(VecDeque::pop_front);
    let carried = after.iter().enumerate().map(|(at, item)| match known(item) {
        Some(same) => full[same].clone(),
        None if after.len() == before.len() => carry(&full[at], &before[at], item),
        None => item.clone(),
    });
    Value::Array(carried.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(full: &Value, before: &Value, after: &Value, becomes: &Value) {
        assert_eq!(carry(full, before, after), *becomes);
    }

    #[test]
    fn what_a_program_does_not_know_stays() {
        let full = json!({ "name": "a", "new": 1, "in": { "x": 1, "y": 2 }, "old": true });
        let before = json!({ "name": "a", "in": { "x": 1 }, "old": true, "filled": 0 });
        check(&full, &before, &before, &full);
        let after = json!({ "name": "b", "in": { "x": 2 }, "filled": 0 });
        check(&full, &before, &after, &json!({ "name": "b", "new": 1, "in": { "x": 2, "y": 2 } }));
        let after = json!({ "name": "a", "in": {}, "old": true, "filled": 1 });
        check(&full, &before, &after, &json!({ "name": "a", "new": 1, "in": { "y": 2 }, "old": true, "filled": 1 }));
    }

    #[test]
    fn items_are_known_by_what_is_seen_of_them_or_by_their_place() {
        let full = json!([{ "k": 1, "new": "a" }, { "k": 2, "new": "b" }]);
        let before = json!([{ "k": 1 }, { "k": 2 }]);
        check(&full, &before, &json!([{ "k": 2 }, { "k": 1 }]), &json!([full[1], full[0]]));
        check(&full, &before, &json!([{ "k": 3 }, { "k": 2 }]), &json!([{ "k": 3, "new": "a" }, full[1]]));
        check(&full, &before, &json!([{ "k": 2 }]), &json!([full[1]]));
        check(&full, &before, &json!([{ "k": 0 }, { "k": 1 }, { "k": 2 }]), &json!([{ "k": 0 }, full[0], full[1]]));
    }
}

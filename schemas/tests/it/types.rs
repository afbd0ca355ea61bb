//! What the built-in types are for: which documents they take, and what becomes of edits on two devices.

use schemas::{DocumentType, Registry, well_known_id};
use serde_json::{Value, json};

use crate::replicas::Replica;

fn built_in(name: &str) -> &'static DocumentType {
    Registry::builtin().get(name).expect("built in")
}

/// Expects these codes and places, in any order.
fn check(name: &str, value: &Value, expected: &[(&str, &str)]) {
    let violations = built_in(name).check(value);
    let mut found: Vec<(String, String)> = violations.iter().map(|v| (v.code(), v.path.clone())).collect();
    let mut expected: Vec<(String, String)> =
        expected.iter().map(|(code, path)| ((*code).to_owned(), (*path).to_owned())).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{name} {value}");
    assert!(violations.iter().all(|violation| !violation.remedy.is_empty()), "{violations:?}");
}

#[test]
fn every_broken_rule_is_listed_with_its_place() {
    check("review", &json!({ "extension": "acme.rust", "rating": 5, "text": "good", "later": 1 }), &[]);
    let wrong = json!({ "extension": "acme", "rating": 7, "text": "x".repeat(20_000), "title": 1 });
    let expected = [
        ("schema.pattern", "/extension"),
        ("schema.maximum", "/rating"),
        ("schema.type", "/title"),
        ("limit", "/text"),
    ];
    check("review", &wrong, &expected);
    check("review", &json!({}), &[("schema.required", ""), ("schema.required", "")]);
    check("review", &json!({ "extension": "acme.rust", "rating": 2.5 }), &[("schema.type", "/rating")]);
    let snippets =
        json!({ "languages": { "rust": { "loop": { "prefix": ["l", 1] }, "ok": { "prefix": "o", "body": "" } } } });
    let expected = [("schema.required", "/languages/rust/loop"), ("schema.type", "/languages/rust/loop/prefix/1")];
    check("snippets", &snippets, &expected);
    check("profile", &json!({ "name": "Ada", "handle": null, "links": [{ "address": "https://a" }] }), &[]);
    let profile =
        json!({ "handle": "Ada!", "picture": "javascript:alert(1)", "links": [{ "order": 1, "address": "x" }] });
    let expected = [
        ("schema.pattern", "/handle"),
        ("schema.pattern", "/picture"),
        ("schema.pattern", "/links/0/address"),
        ("list_order", "/links/0/order"),
    ];
    check("profile", &profile, &expected);
    check("publisher", &json!({ "domain": "acme.example", "payoutContact": "money@acme.example" }), &[]);
    check("publisher", &json!({ "domain": "acme" }), &[("schema.pattern", "/domain")]);
    check(
        "extensions",
        &json!({ "wanted": { "a.b": { "state": "gone" }, "A": { "state": "enabled" } } }),
        &[("schema.enum", "/wanted/a.b/state"), ("schema.propertyNames", "/wanted")],
    );
    check(
        "trust",
        &json!({ "workspaces": { "w": { "decision": "maybe" } } }),
        &[("schema.enum", "/workspaces/w/decision")],
    );
    let many: serde_json::Map<String, Value> = (0..1001).map(|n| (format!("l{n}"), json!({}))).collect();
    check("snippets", &json!({ "languages": many }), &[("limit", "/languages")]);
}

#[test]
fn an_uninstalled_extension_stays_uninstalled() {
    let extensions = built_in("extensions");
    let wanted = |state: &str| json!({ "wanted": { "acme.rust": { "state": state } } });
    let (mut laptop, mut desktop) = (Replica::new("extensions", 1), Replica::new("extensions", 2));
    laptop.edit(|current| extensions.plan(current, &wanted("enabled")));
    laptop.meet(&mut desktop);
    laptop.edit(|current| extensions.plan(current, &wanted("uninstalled")));
    // Meanwhile the desktop, which still has it, writes everything that it has, with something of its own.
    let mut has = wanted("enabled");
    has["wanted"]["acme.go"] = json!({ "state": "enabled" });
    desktop.edit(|current| extensions.plan(current, &has));
    laptop.meet(&mut desktop);
    let value = desktop.document.value();
    assert_eq!(value.pointer("/wanted/acme.rust/state"), Some(&json!("uninstalled")));
    assert_eq!(value.pointer("/wanted/acme.go/state"), Some(&json!("enabled")));
}

#[test]
fn fields_of_one_snippet_merge_and_bodies_do_not_mix() {
    let snippets = built_in("snippets");
    let value =
        |prefix: &str, body: &str| json!({ "languages": { "rust": { "loop": { "prefix": prefix, "body": body } } } });
    let (mut laptop, mut desktop) = (Replica::new("snippets", 1), Replica::new("snippets", 2));
    laptop.edit(|current| snippets.plan(current, &value("l", "loop {}")));
    laptop.meet(&mut desktop);
    laptop.edit(|current| snippets.plan(current, &value("lo", "loop {}")));
    desktop.edit(|current| snippets.plan(current, &value("l", "loop { $0 }")));
    laptop.meet(&mut desktop);
    assert_eq!(laptop.document.value(), value("lo", "loop { $0 }"));
    for (device, body) in [(&mut laptop, "abc"), (&mut desktop, "xyz")] {
        device.edit(|current| snippets.plan(current, &value("lo", body)));
    }
    laptop.meet(&mut desktop);
    let merged = laptop.document.value();
    assert!([value("lo", "abc"), value("lo", "xyz")].contains(&merged), "{merged}");
}

#[test]
fn texts_of_profiles_and_reviews_merge_letter_by_letter() {
    for (name, field, rest) in [
        ("profile", "about", json!({ "name": "Ada" })),
        ("publisher", "about", json!({ "name": "Acme" })),
        ("review", "text", json!({ "extension": "acme.rust", "rating": 4 })),
    ] {
        let of = built_in(name);
        let value = |text: &str| {
            let mut value = rest.clone();
            value[field] = json!(text);
            value
        };
        let (mut laptop, mut desktop) = (Replica::new(name, 1), Replica::new(name, 2));
        laptop.edit(|current| of.plan(current, &value("one")));
        laptop.meet(&mut desktop);
        laptop.edit(|current| of.plan(current, &value("zero one")));
        desktop.edit(|current| of.plan(current, &value("one two")));
        laptop.meet(&mut desktop);
        assert_eq!(laptop.document.value(), value("zero one two"), "{name}");
    }
}

#[test]
fn ids_of_well_known_documents_are_the_same_for_ever() {
    let well_known = Registry::builtin().all().filter(|of| of.well_known);
    let mut ids: Vec<(&str, String)> =
        well_known.map(|of| (of.name.as_str(), well_known_id(&of.name, &of.name).to_string())).collect();
    ids.dedup(); // of a type that has several versions
    let expected = [
        ("extensions", "eifWYyFQdDhmBcFj1PvGQpkMT4n"),
        ("identity", "2bpuWQDPcrFMXEN6xy9XRQqdivNp"),
        ("keymap", "2mQ7ASYKErKF9uhwM1ZiY99JAwV5"),
        ("profile", "45vRDYt1yCeK7wffaz2KAmKyMW4T"),
        ("publisher", "49htCeesG2nsSTkwa2x5Apvig4bU"),
        ("settings", "3KQY9BbPffzHX6dUBjnyJ5D8agL1"),
        ("snippets", "3HB15NTxnPB3yJwTtAP6PTBS9cR2"),
        ("trust", "2whyUCrzktZf1BRt62A9BTt1da6R"),
    ];
    assert_eq!(ids, expected.map(|(name, id)| (name, id.to_owned())));
}

#[test]
fn a_new_document_breaks_no_rule_but_what_it_still_lacks() {
    // What the relay alone writes is begun by a command of it.
    for of in Registry::builtin().all().filter(|of| !of.authority) {
        let mut replica = Replica::new(&of.name, 1);
        replica.apply(of.initial(Some("Name")));
        let value = of.plain(&replica.document.value());
        let missing = of.check(&value).into_iter().filter(|violation| violation.code() != "schema.required");
        assert_eq!(missing.collect::<Vec<_>>(), [], "{} {value}", of.name);
    }
}

#[test]
fn the_title_is_the_field_that_the_schema_names_wherever_it_is_stored() {
    let text = r#"{ "x-type": "task", "x-version": 1, "type": "object", "x-title": "/title",
        "properties": { "title": { "type": "string", "x-stored-as": "name" } } }"#;
    let registry = Registry::with_files([("task/1.json", text)]).expect("it is sound");
    let task = registry.get("task").expect("just loaded");
    let mut replica = Replica::new("task", 1);
    replica.apply(task.initial(Some("Tea")));
    assert_eq!(replica.document.value(), json!({ "name": "Tea" }));
    assert_eq!(task.title(&replica.document.value()).as_deref(), Some("Tea"));
}

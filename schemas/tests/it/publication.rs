//! What everybody may see of a document, and what keeps it from being seen.

use schemas::{DocumentType, Publication, Registry};
use serde_json::{Value, json};

const STALL: &str = r##"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "x-type": "stall", "x-version": 1, "type": "object", "required": ["name", "owner"],
    "properties": {
        "name": { "type": "string", "x-merge": "manual", "x-stored-as": "label", "x-public": true, "maxLength": 9 },
        "owner": { "type": "string" },
        "place": { "type": "object", "properties": {
            "town": { "type": "string", "x-public": true, "x-limit": { "bytes": 9 } },
            "street": { "type": "string", "x-limit": { "bytes": 9 } },
            "key": { "type": "string", "x-merge": "manual" }
        } },
        "hours": { "type": "object", "x-public": true, "properties": { "opens": { "type": "integer", "maximum": 24 } } },
        "wares": { "type": "array", "x-merge": "list", "items": { "type": "object", "required": ["what"], "properties": {
            "what": { "type": "string", "x-public": true },
            "price": { "type": "integer", "x-merge": "manual", "x-public": true },
            "cost": { "type": "integer" }
        } } },
        "tags": { "type": "array", "items": { "type": "string" }, "x-merge": "set" }
    }
}"##;

fn stall() -> &'static DocumentType {
    let registry = Registry::with_files([("stall/1.json", STALL)]);
    Box::leak(Box::new(registry.expect("the schema is a document type"))).get("stall").expect("just loaded")
}

/// The codes and paths of what keeps a document with these open conflicts from being published.
fn refused(value: &Value, open: &[&str]) -> Vec<String> {
    match stall().publication(value, open.iter().copied()) {
        Publication::Refused(violations) => {
            violations.iter().map(|violation| format!("{} {}", violation.code(), violation.path)).collect()
        }
        other => panic!("{value} is not refused: {other:?}"),
    }
}

fn shown(value: &Value, open: &[&str]) -> Value {
    match stall().publication(value, open.iter().copied()) {
        Publication::Public(value) => value,
        other => panic!("{value} is not public: {other:?}"),
    }
}

#[test]
fn only_what_the_schema_calls_public_is_shown() {
    for (plain, expected) in [
        (json!({}), None),
        (json!({ "owner": "Ada", "unknown": 1, "tags": ["x"] }), None),
        (json!({ "name": "Tea", "owner": "Ada", "unknown": 1 }), Some(json!({ "name": "Tea" }))),
        (
            json!({ "place": { "town": "Ems", "street": "Mill", "unknown": 1 } }),
            Some(json!({ "place": { "town": "Ems" } })),
        ),
        (json!({ "place": { "street": "Mill" } }), None),
        (json!({ "place": "Ems" }), None),
        (json!({ "hours": { "opens": 9, "unknown": [1] } }), Some(json!({ "hours": { "opens": 9, "unknown": [1] } }))),
        (
            json!({ "wares": [{ "what": "tea", "cost": 1 }, { "cost": 2 }] }),
            Some(json!({ "wares": [{ "what": "tea" }] })),
        ),
    ] {
        assert_eq!(stall().public(&plain), expected, "{plain}");
    }
}

#[test]
fn a_stored_document_is_shown_in_its_plain_form() {
    let wares = json!({ "zz": { "what": "tea", "order": "a", "cost": 1 }, "aa": { "what": "rum", "order": "b" } });
    let stored = json!({ "label": "Tea", "owner": "Ada", "wares": wares });
    assert_eq!(shown(&stored, &[]), json!({ "name": "Tea", "wares": [{ "what": "tea" }, { "what": "rum" }] }));
}

#[test]
fn rules_count_where_something_is_public_and_about_the_whole() {
    let sound = json!({ "label": "Tea", "owner": "Ada" });
    assert_eq!(shown(&sound, &[]), json!({ "name": "Tea" }));
    let with = |key: &str, value: Value| {
        let mut document = sound.clone();
        document[key] = value;
        document
    };
    for (document, expected) in [
        (with("label", json!("Tea and more")), vec!["schema.maxLength /name"]),
        (with("label", json!(1)), vec!["schema.type /name"]),
        (with("place", json!({ "town": "Bad Ems upon Lahn" })), vec!["limit /place/town"]),
        (with("place", json!("Ems")), vec!["schema.type /place"]),
        (with("hours", json!({ "opens": 25 })), vec!["schema.maximum /hours/opens"]),
        (with("wares", json!({ "aa": { "what": 1, "order": "a" } })), vec!["schema.type /wares/0/what"]),
        (with("wares", json!({ "aa": { "cost": 1, "order": "a" } })), vec!["schema.required /wares/0"]),
        (json!({ "label": "Tea" }), vec!["schema.required "]),
        (json!({ "owner": "Ada" }), vec!["schema.required "]),
        (with("label\0", json!(1)), vec!["key /label\0"]),
    ] {
        assert_eq!(refused(&document, &[]), expected, "{document}");
    }
    for document in [
        with("owner", json!(1)),
        with("place", json!({ "street": "a very long street", "key": 1 })),
        with("wares", json!({ "aa": { "what": "tea", "cost": "much", "order": "a" } })),
        with("tags", json!("none")),
    ] {
        shown(&document, &[]);
    }
}

#[test]
fn private_faults_do_not_crowd_out_a_public_one() {
    let wares: Value =
        (0..300).map(|at| (format!("{at:03}"), json!({ "what": "x", "cost": "?", "order": "a" }))).collect();
    let mut document = json!({ "label": "Tea", "owner": "Ada", "wares": wares });
    shown(&document, &[]);
    document["wares"]["299"]["what"] = json!(1);
    document["place"] = json!({ "town": "Bad Ems upon Lahn" });
    assert_eq!(refused(&document, &[]), ["schema.type /wares/299/what", "limit /place/town"]);
    let wrong: Value = (0..300).map(|at| (format!("{at:03}"), json!({ "what": 1, "order": "a" }))).collect();
    document["wares"] = wrong;
    assert_eq!(refused(&document, &["/label"]).len(), 100, "bounded");
}

#[test]
fn an_open_conflict_counts_where_something_is_public() {
    let wares = json!({ "zz": { "what": "tea", "order": "a", "price": 3 } });
    let document = json!({ "label": "Tea", "owner": "Ada", "place": { "key": "k" }, "wares": wares });
    assert_eq!(refused(&document, &["/label"]), ["conflict_open /name"]);
    assert_eq!(
        refused(&document, &["/label", "/wares/zz/price"]),
        ["conflict_open /name", "conflict_open /wares/0/price"]
    );
    assert_eq!(refused(&document, &["/wares/gone/price"]), ["conflict_open /wares/gone/price"]);
    shown(&document, &["/place/key"]);
    let Publication::Refused(violations) = stall().publication(&document, ["/label"]) else { panic!("it is open") };
    let sentence = violations[0].to_string();
    assert!(sentence.contains("\"Tea\" at /name") && sentence.contains("vault resolve"), "{sentence}");
}

#[test]
fn what_its_author_does_not_show_is_withheld_whatever_it_is() {
    let text = STALL.replace("\"x-version\": 1,", "\"x-version\": 1, \"x-public-when\": \"/open\",").replace(
        "\"owner\": { \"type\": \"string\" }",
        "\"owner\": { \"type\": \"string\" }, \"open\": { \"type\": \"boolean\", \"x-stored-as\": \"visible\" }",
    );
    let registry = Registry::with_files([("stall/1.json", text)]).expect("the schema is a document type");
    let stall = registry.get("stall").expect("just loaded");
    let judged = |document: &Value| stall.publication(document, ["/label"]).state();
    let mut document = json!({ "label": 1 });
    for value in [json!(false), json!(null), json!("true"), json!(1), json!([true]), json!({ "": true })] {
        document["visible"] = value;
        assert_eq!(judged(&document), "withheld", "{document}");
    }
    let withheld = Publication::Withheld { when: "/open".to_owned() };
    assert_eq!(stall.publication(&json!({ "label": "Tea", "owner": "Ada" }), []), withheld);
    document["visible"] = json!(true);
    assert_eq!(judged(&document), "refused", "and once it is shown, its faults count");
    assert_eq!(stall.publication(&json!({ "owner": "Ada", "visible": true, "label": null }), []).state(), "refused");
    let shown = stall.publication(&json!({ "label": "Tea", "owner": "Ada", "visible": true }), []);
    assert_eq!(shown, Publication::Public(json!({ "name": "Tea" })), "not with the field that says so");
}

#[test]
fn a_profile_is_for_nobody_before_its_person_says_so() {
    let profile = Registry::builtin().get("profile").expect("a built-in type");
    let judged = |shown: Value| profile.publication(&json!({ "name": "Ada", "email": "a@b", "shown": shown }), []);
    assert_eq!(profile.publication(&json!({ "name": "Ada" }), []).state(), "withheld", "as version 1 wrote it");
    assert_eq!(judged(json!(false)).state(), "withheld");
    assert_eq!(judged(json!(true)), Publication::Public(json!({ "name": "Ada" })));
    assert_eq!(profile.publication_rules(), "3.1");
}

#[test]
fn whether_a_type_is_for_everybody_is_told_by_its_schema() {
    let registry = Registry::builtin();
    let public: Vec<&str> =
        registry.names().filter(|name| registry.get(name).is_some_and(DocumentType::has_public)).collect();
    assert_eq!(public, ["identity", "profile", "publisher", "review"]);
    let note = registry.get("note").expect("a built-in type");
    assert_eq!(note.publication(&json!({ "name": 1 }), []), Publication::Private);
    let publisher = registry.get("publisher").expect("a built-in type");
    assert_eq!(publisher.publication(&json!({}), []), Publication::Nothing);
    assert_eq!(publisher.publication(&json!({ "payoutContact": "wrong", "name": null }), []), Publication::Nothing);
    let shown =
        publisher.publication(&json!({ "payoutContact": "ada@example.com", "website": "https://a.example" }), []);
    assert_eq!(shown, Publication::Public(json!({ "website": "https://a.example" })));
    assert_eq!(publisher.publication_rules(), "1.1");
}

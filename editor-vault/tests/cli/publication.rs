//! `vault publication`.

use editor_vault::Vault;
use serde_json::{Value, json};

use crate::run::Desk;

/// Makes a review as an editor would; only notes are made by the command.
fn review(desk: &Desk, fields: &[(&str, Value)]) -> String {
    let vault = Vault::open(desk.vault()).expect("the vault opens");
    let review = vault.create("review", Some("Quite good"), None).expect("it is made");
    for (path, value) in fields {
        review.edit(|draft| draft.put(path, value.clone())).expect("it is saved");
    }
    review.id().to_string()
}

#[test]
fn the_author_sees_offline_what_would_be_published() {
    let desk = Desk::new();
    let id = review(&desk, &[("/extension", json!("acme.linter")), ("/rating", json!(4)), ("/mood", json!("glad"))]);
    let judged = desk.json(&["publication", "Quite good"]);
    let value = json!({ "extension": "acme.linter", "rating": 4, "text": "", "title": "Quite good" });
    assert_eq!((&judged["id"], &judged["state"], &judged["value"]), (&json!(id), &json!("public"), &value));
    let said = desk.ok(&["publication", &id]);
    assert!(said.starts_with("would be published:\n{") && said.contains("\"rating\": 4"), "{said}");
    assert!(!said.contains("glad"), "{said}");
}

#[test]
fn the_author_sees_offline_why_it_would_not() {
    let desk = Desk::new();
    review(&desk, &[("/rating", json!(7))]);
    let said = desk.ok(&["publication", "Quite good"]);
    assert!(said.starts_with("not published, because\n  "), "{said}");
    assert!(said.contains("7 at /rating breaks a rule: ") && said.contains("; add what is missing"), "{said}");
    let judged = desk.json(&["publication", "Quite good"]);
    assert_eq!((&judged["state"], &judged["value"]), (&json!("refused"), &Value::Null));
    let violations = judged["violations"].as_array().expect("a list");
    let codes: Vec<_> = violations.iter().map(|violation| (&violation["code"], &violation["path"])).collect();
    assert_eq!(codes.len(), 2, "{judged}");
    assert!(codes.contains(&(&json!("schema.required"), &json!(""))), "{judged}");
    assert!(codes.contains(&(&json!("schema.maximum"), &json!("/rating"))), "{judged}");
}

#[test]
fn private_documents_and_empty_ones_say_so() {
    let desk = Desk::new();
    desk.ok(&["new", "note", "n"]);
    let private = "not published, because no public field of its type is known here\n";
    assert_eq!(desk.ok(&["publication", "n"]), private);
    assert_eq!(
        desk.ok(&["publication", "publisher"]),
        "not published, because none of its public fields has a value\n"
    );
    assert_eq!(desk.json(&["publication", "publisher"])["state"], "nothing");
    desk.fails(&["publication", "nowhere"], 1, "not_found", &["nowhere"]);
}

#[test]
fn a_person_is_told_how_to_show_his_profile() {
    let desk = Desk::new();
    desk.ok(&["patch", "profile", r#"{"name": "Ada", "email": "ada@example.org"}"#]);
    let said = desk.ok(&["publication", "profile"]);
    let because = "not published, because /shown is not true; set it to true to show it to everybody\n";
    assert_eq!(said, format!("{because}  vault patch profile '{{\"shown\":true}}'\n"));
    let judged = desk.json(&["publication", "profile"]);
    assert_eq!((&judged["state"], &judged["value"]), (&json!("withheld"), &Value::Null));
    assert!(judged["reason"].as_str().is_some_and(|reason| reason.starts_with("/shown is not true")), "{judged}");
    desk.ok(&["patch", "profile", r#"{"shown":true}"#]);
    let judged = desk.json(&["publication", "profile"]);
    assert_eq!((&judged["state"], &judged["reason"]), (&json!("public"), &Value::Null));
    assert_eq!(judged["value"], json!({ "name": "Ada" }));
    desk.ok(&["patch", "profile", r#"{"shown":false}"#]);
    assert_eq!(desk.json(&["publication", "profile"])["state"], "withheld");
}

//! `vault patch`, and `vault new` of any type.

use serde_json::json;

use crate::run::Desk;

#[test]
fn fields_of_any_document_are_changed_and_removed() {
    let desk = Desk::new();
    desk.ok(&[
        "patch",
        "profile",
        r#"{"name": "Ada", "links": [{"address": "https://example.org"}], "pronouns": "she/her"}"#,
    ]);
    desk.ok(&["patch", "profile", r#"{"name": "Ada L.", "pronouns": null}"#]);
    let value = json!({ "name": "Ada L.", "links": [{ "address": "https://example.org" }] });
    assert_eq!(desk.json(&["show", "profile"])["value"], value);
    assert!(desk.ok(&["patch", "profile", r#"{"name": "Ada L."}"#]).contains("already"));
}

#[test]
fn a_document_of_a_type_with_a_title_is_made_and_filled() {
    let desk = Desk::new();
    desk.ok(&["new", "review", "Fast"]);
    desk.ok(&["patch", "Fast", r#"{"extension": "acme.rust", "rating": 5}"#]);
    assert_eq!(desk.json(&["show", "Fast"])["value"]["rating"], 5);
    desk.fails(&["new", "settings", "x"], 1, "well_known", &["settings"]);
    desk.fails(&["new", "unheard-of", "x"], 1, "no_such_type", &["note"]);
}

#[test]
fn what_breaks_a_rule_or_is_no_patch_changes_nothing() {
    let desk = Desk::new();
    desk.fails(
        &["patch", "trust", r#"{"workspaces": {"a": {"decision": "perhaps"}}}"#],
        1,
        "schema.enum",
        &["perhaps"],
    );
    desk.fails(&["patch", "trust", "{"], 1, "not_json", &["line 1"]);
    desk.fails(&["patch", "trust", "[]"], 2, "patch_not_an_object", &["name the fields"]);
    desk.fails(&["patch", "nobody", "{}"], 1, "not_found", &["nobody"]);
    assert_eq!(desk.json(&["show", "trust"])["value"], json!({}));
}

//! `vault quarantine`: edits that a relay refused. Here the file says that one was; a relay is elsewhere.

use rusqlite::Connection;
use serde_json::json;

use crate::run::Desk;

/// A vault whose newest edit, `bad = 2`, stands as a relay's refusal leaves it. Gives the beginning of its id.
fn desk_with_refused_edit() -> (Desk, String) {
    let desk = Desk::new();
    desk.ok(&["set", "settings", "first", "1"]);
    desk.ok(&["set", "settings", "bad", "2"]);
    let connection = Connection::open(desk.vault().join("vault.sqlite")).expect("the vault can be opened");
    connection
        .execute_batch(
            "UPDATE batches SET state = 4, code = 2, detail = 'too odd', decided = 1700000000,
                 culprit = (SELECT hash FROM changes c WHERE c.id = batches.change)
             WHERE id = (SELECT max(id) FROM batches);
             UPDATE changes SET excluded = 1 WHERE id = (SELECT max(id) FROM changes);
             UPDATE documents SET generation = generation + 1;
             DELETE FROM snapshots;",
        )
        .expect("the vault can be changed");
    let list = desk.json(&["quarantine", "list"]);
    let id = list[0]["id"].as_str().expect("an id")[..8].to_owned();
    (desk, id)
}

#[test]
fn a_refused_edit_is_listed_and_shown_for_people_and_for_programs() {
    let (desk, id) = desk_with_refused_edit();
    let list = desk.ok(&["quarantine", "list"]);
    let row = list.lines().nth(1).expect("a row");
    for part in [&id, "settings", "2023-11-14T22:13:20Z", "dangerous", "too odd"] {
        assert!(row.contains(part), "{row}");
    }
    let shown = desk.ok(&["quarantine", "show", &id]);
    for part in ["refused: dangerous (too odd)", "remedy: ", "/base/bad\n+ 2"] {
        assert!(shown.contains(part), "{shown}");
    }
    let json = desk.json(&["quarantine", "show", &id]);
    assert_eq!(json["refused"]["values"], json!([{"path": "/base/bad", "before": null, "after": 2}]));
    desk.fails(&["get", "settings", "bad"], 1, "not_set", &[]);
}

#[test]
fn a_refused_edit_can_be_made_again() {
    let (desk, id) = desk_with_refused_edit();
    assert!(desk.ok(&["quarantine", "resubmit", &id]).contains("resubmitted edit"));
    assert_eq!(desk.ok(&["get", "settings", "bad"]), "2\n");
    assert_eq!(desk.ok(&["quarantine", "list"]), "nothing is in quarantine\n");
    desk.fails(&["quarantine", "resubmit", &id], 1, "not_quarantined", &[&id, "quarantine list"]);
}

#[test]
fn a_refused_edit_can_be_copied_exported_and_discarded() {
    let (desk, id) = desk_with_refused_edit();
    desk.ok(&["quarantine", "copy", &id, "--name", "saved"]);
    assert!(desk.ok(&["show", "saved"]).contains("\"bad\": 2"));
    let file = desk.path("refused.json").display().to_string();
    desk.ok(&["quarantine", "export", &id, &file]);
    let exported: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&file).expect("the file is there")).expect("it is JSON");
    assert_eq!((&exported["code"], &exported["refused"]["values"][0]["after"]), (&json!("dangerous"), &json!(2)));
    desk.fails(&["quarantine", "export", &id, &file], 1, "io", &["refused.json"]);
    assert_eq!(desk.json(&["quarantine", "discard", &id])["discarded"], true);
    assert_eq!(desk.json(&["quarantine", "list"]), json!([]));
    desk.fails(&["quarantine", "show", &id], 1, "not_quarantined", &[]);
    assert!(desk.ok(&["doctor"]).len() < 200);
}

#[test]
fn a_vault_without_refused_edits_says_so() {
    let desk = Desk::new();
    assert_eq!(desk.ok(&["quarantine", "list"]), "nothing is in quarantine\n");
    desk.fails(&["quarantine", "discard", "abcd"], 1, "not_quarantined", &["\"abcd\"", "4 characters"]);
    assert!(desk.ok(&["completions", "bash"]).contains("quarantine"));
}

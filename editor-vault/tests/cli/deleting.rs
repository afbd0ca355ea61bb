//! Deleting and bringing back, and the deletions that a person decides on. A relay is elsewhere: where one has spoken,
//! the file says so.

use rusqlite::Connection;

use crate::run::Desk;

fn change(desk: &Desk, sql: &str) {
    let connection = Connection::open(desk.vault().join("vault.sqlite")).expect("the vault can be opened");
    connection.execute_batch(sql).expect("the vault can be changed");
}

#[test]
fn a_deleted_document_is_listed_and_brought_back() {
    let desk = Desk::new();
    desk.ok(&["new", "note", "plan"]);
    desk.ok(&["delete", "plan"]);
    assert!(!desk.ok(&["list"]).contains("plan"));
    assert!(desk.ok(&["list", "--deleted"]).contains("deleted"));
    desk.fails(&["undelete", "plans"], 1, "not_found", &["plans"]);
    assert_eq!(desk.ok(&["undelete", "plan"]), "brought plan back\n");
    assert!(desk.ok(&["list"]).contains("plan"));
    desk.fails(&["undelete", "plan"], 1, "not_found", &["plan"]);
}

#[test]
fn settings_are_never_deleted() {
    let desk = Desk::new();
    desk.ok(&["set", "settings", "editor.tabSize", "2"]);
    desk.fails(&["delete", "settings"], 1, "well_known", &["settings", "remove its keys"]);
    assert_eq!(desk.ok(&["get", "settings", "editor.tabSize"]), "2\n");
}

/// A desk with a note whose deletion a relay has contested.
fn contested() -> Desk {
    let desk = Desk::new();
    desk.ok(&["new", "note", "plan"]);
    desk.ok(&["delete", "plan"]);
    change(
        &desk,
        "UPDATE batches SET state = 3, code = 37, judged_by = 1, detail = 'edited elsewhere' WHERE kind = 2;
         UPDATE documents SET deleted = 0;",
    );
    desk
}

#[test]
fn a_contested_deletion_needs_a_person_who_may_keep_the_document() {
    let desk = contested();
    desk.fails(&["status"], 4, "parked", &["plan", "vault contested delete", "vault contested keep"]);
    let listed = desk.ok(&["contested", "list"]);
    assert!(listed.contains("plan") && listed.contains("edited elsewhere"), "{listed}");
    assert_eq!(desk.json(&["contested", "list"])[0]["title"], "plan");
    assert!(desk.ok(&["explain", "plan"]).contains("vault contested"));
    assert_eq!(desk.ok(&["contested", "keep", "plan"]), "kept plan\n");
    assert_eq!(desk.ok(&["contested", "list"]), "no deletion is contested\n");
    desk.fails(&["contested", "keep", "plan"], 1, "not_contested", &["contested list"]);
    desk.ok(&["status"]);
}

#[test]
fn a_contested_deletion_can_be_made_again() {
    let desk = contested();
    assert_eq!(desk.ok(&["contested", "delete", "plan"]), "deleted plan, as it is now\n");
    assert_eq!(desk.ok(&["contested", "list"]), "no deletion is contested\n");
    assert!(!desk.ok(&["list"]).contains("plan"));
    desk.ok(&["status"]);
}

#[test]
fn deletions_that_are_held_back_are_one_line_of_the_status_with_both_ways_on() {
    let desk = Desk::new();
    for name in ["one", "two"] {
        desk.ok(&["new", "note", name]);
        desk.ok(&["delete", name]);
    }
    change(&desk, "UPDATE batches SET state = 3, code = 64, judged_by = 0, detail = 'so many' WHERE kind = 2");
    desk.fails(&["status"], 4, "brake", &["2 deletions", "vault brake release", "vault brake undo"]);
    let listed = desk.ok(&["brake", "list"]);
    assert!(listed.contains("one") && listed.contains("two"), "{listed}");
    assert_eq!(desk.ok(&["brake", "undo"]), "2 documents are there again\n");
    assert_eq!(desk.ok(&["brake", "list"]), "no deletion is held back\n");
    assert!(desk.ok(&["list"]).contains("two"));
    desk.ok(&["status"]);
}

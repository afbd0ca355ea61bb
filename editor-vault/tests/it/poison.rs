//! The poison corpus out of a log: a relay that let it through, or one that wants to harm. Each change holds its own
//! document at most, and the vault goes on.

use document::Change;
use document::forge::poison::{CORPUS, Ground, ODD};
use sync_wire::{Actor, DocumentId};

use crate::inline::sight::Sight;
use crate::recovery::{base, line, put, settle};
use crate::relay::inline::InlineRelay;

#[test]
fn poison_in_the_log_holds_its_own_document_at_most_and_the_vault_goes_on() {
    let (sight, relay) = (Sight::new(1), InlineRelay::new(&["alice"]));
    let vault = sight.open("laptop");
    let mut line = line(&vault);
    put(&vault, "first", 1);
    settle(&relay, &vault, &mut line);
    let mut documents = Vec::new();
    for (number, poison) in CORPUS.iter().chain(ODD).enumerate() {
        let number = number as u8;
        let (ground, good) =
            Ground::make(Actor([number, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]), Actor([number; 16]));
        let changes: Vec<_> = (poison.make)(&ground).into_iter().map(Change::parse).collect();
        if changes.iter().any(Result::is_err) {
            continue; // no relay could have appended it, and no vault reads it
        }
        let id = DocumentId([number + 100; 16]);
        for change in std::iter::once(Change::parse(good)).chain(changes) {
            relay.append("alice", id, &change.unwrap());
        }
        documents.push((poison.id, id));
    }
    assert!(documents.len() > 15, "{documents:?}");
    settle(&relay, &vault, &mut line);
    for (letter, id) in &documents {
        let document = vault.document(vault.well_known("settings").unwrap().space(), *id).unwrap();
        let value = document.value().unwrap();
        assert_eq!(value["k"], 1, "{letter}: {value}");
        // Of two changes of one name and number a vault takes what the log has last; what rests on changes that are not
        // here only waits, as it may while a bootstrap brings them.
        let is_odd = ["G", "M"].contains(letter) || ODD.iter().any(|odd| odd.id == *letter);
        assert!(is_odd || document.status().unwrap().held.is_some(), "{letter} is shown as if nothing were");
    }
    let findings = vault.verify().unwrap();
    assert!(findings.iter().any(|finding| finding.code == "rests_on_missing"), "nobody names M: {findings:?}");
    put(&vault, "second", 2);
    settle(&relay, &vault, &mut line);
    let file = vault.file().to_path_buf();
    drop((line, vault));
    let vault = sight.open("laptop");
    assert_eq!((base(&vault), vault.file()), (serde_json::json!({"first": 1, "second": 2}), file.as_path()));
    let desktop = sight.open("desktop");
    settle(&relay, &desktop, &mut self::line(&desktop));
    assert_eq!(base(&desktop), base(&vault), "a new device gets everything else");
}

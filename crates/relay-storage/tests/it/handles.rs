//! Short names of spaces: whose one is, for how long it is kept, and that nobody may write the document that says it.

use std::sync::Arc;
use std::time::Duration;

use relay_storage::{Claim, HANDLE_KEPT, HANDLES_KEPT_MAX, MadeBy, Outcome, StorageOptions, StorageUrl, UnshownHandle};
use sync_wire::{DocumentId, FateCode, Role, SpaceKind};

use crate::world::{Author, DOCUMENT, Pusher, Relay, on_each_shell, wait};

fn claim(relay: &Relay, by: &Pusher, handle: Option<&str>) -> Claim {
    wait(relay.storage.claim_handle(by.space, by.account.id, handle)).unwrap()
}

fn whose(relay: &Relay, handle: &str) -> Option<sync_wire::SpaceId> {
    wait(relay.storage.space_of_handle(handle)).unwrap()
}

#[test]
fn a_handle_is_kept_for_its_space_for_a_while_and_is_anybodys_then() {
    on_each_shell(|relay| {
        let (ada, bob) = (relay.pusher("ada"), relay.pusher("bob"));
        assert_eq!(claim(&relay, &ada, Some("ada")), Claim::Held);
        assert_eq!(claim(&relay, &bob, Some("ada")), Claim::Taken);
        assert_eq!(claim(&relay, &ada, None), Claim::Held);
        wait(relay.storage.note_handle_shown(ada.space, None)).unwrap();
        relay.pass_for(HANDLE_KEPT - Duration::from_secs(1));
        assert_eq!((claim(&relay, &bob, Some("ada")), whose(&relay, "ada")), (Claim::Taken, None));
        relay.pass_for(Duration::from_secs(2));
        assert_eq!((claim(&relay, &bob, Some("ada")), whose(&relay, "ada")), (Claim::Held, Some(bob.space)));
        assert_eq!(claim(&relay, &ada, Some("ada")), Claim::Taken, "it comes back to nobody");
    });
}

#[test]
fn a_space_gives_up_only_so_many_and_takes_each_of_them_back() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let names: Vec<String> = (0..=HANDLES_KEPT_MAX).map(|number| format!("ada{number}")).collect();
        for name in &names {
            assert_eq!(claim(&relay, &ada, Some(name)), Claim::Held);
        }
        for more in [Some("one-more"), None] {
            assert_eq!(claim(&relay, &ada, more), Claim::TooMany);
        }
        assert_eq!(claim(&relay, &ada, Some(&names[0])), Claim::Held);
        assert_eq!(wait(relay.storage.handle_of(ada.space)).unwrap().as_ref(), Some(&names[0]));
    });
}

#[test]
fn what_is_unsaid_is_remembered_until_it_is_noted_and_notes_of_before_count_for_nothing() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let unshown = || wait(relay.storage.unshown_handles(None, 10)).unwrap();
        assert_eq!(claim(&relay, &ada, Some("ada")), Claim::Held);
        let first = unshown();
        let [UnshownHandle { space, account, since }] = first[..] else { panic!("{first:?}") };
        assert_eq!((space, account), (ada.space, ada.account.id));
        assert_eq!(claim(&relay, &ada, Some("lovelace")), Claim::Held);
        wait(relay.storage.note_handle_shown(ada.space, Some("ada"))).unwrap();
        let second = unshown();
        assert!(second.len() == 1 && second[0].since > since, "it has another one by now: {second:?}");
        wait(relay.storage.note_handle_shown(ada.space, Some("lovelace"))).unwrap();
        assert_eq!(unshown(), []);
    });
}

#[test]
fn what_is_unsaid_is_said_in_the_name_of_an_owner_and_waits_for_one() {
    on_each_shell(|relay| {
        let (ada, bob) = (relay.account("ada").id, relay.account("bob").id);
        let team = wait(relay.storage.create_space("team", SpaceKind::Team, Some(ada))).unwrap();
        let grant = |account, role| wait(relay.storage.grant(team, account, role)).unwrap();
        let says = || wait(relay.storage.unshown_handles(None, 10)).unwrap().pop().map(|unshown| unshown.account);
        grant(bob, Role::Owner);
        assert_eq!(wait(relay.storage.claim_handle(team, bob, Some("builders"))).unwrap(), Claim::Held);
        assert_eq!(says(), Some(bob), "who claimed it");
        grant(bob, Role::Editor);
        assert_eq!(says(), Some(ada), "who may claim one");
        assert!(wait(relay.storage.revoke_grant(team, ada)).unwrap());
        assert_eq!(says(), None);
        grant(ada, Role::Owner);
        assert_eq!(says(), Some(ada));
    });
}

#[test]
fn a_document_of_the_relay_is_taken_from_no_device() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        wait(relay.storage.close());
        let mut options = StorageOptions::new(relay.keys.clone());
        (options.shell, options.reserved) = (relay.shell, Arc::from([DOCUMENT]));
        let storage = relay_storage::Storage::open_blocking(&StorageUrl::Sqlite(relay.path.clone()), options).unwrap();
        let changes = Author::new("ada").edits(2);
        let mut request = ada.push(DOCUMENT, &[&changes]);
        let append = |request| {
            let outcomes = wait(storage.append(vec![request])).unwrap().pop().unwrap();
            outcomes.into_iter().next().unwrap().1
        };
        for request in [request.clone(), ada.tombstone(DOCUMENT, 1, &[]), ada.restore(DOCUMENT, 2)] {
            let Outcome::Refused { code, .. } = append(request) else { panic!("a device wrote it") };
            assert_eq!(code, FateCode::AUTHORITY);
        }
        let other = append(ada.push(DocumentId([9; 16]), &[&changes]));
        assert!(matches!(other, Outcome::Appended { .. }), "{other:?}");
        request.made_by = MadeBy::Relay;
        let made = append(request.clone());
        assert!(matches!(made, Outcome::Appended { .. }), "{made:?}");
        // What the log has, anybody may say again.
        request.made_by = MadeBy::Device;
        assert!(matches!(append(request), Outcome::Appended { .. }));
    });
}

//! Spaces, roles, and what they let one append.

use document::Change;
use relay_storage::{BatchContent, DeviceBinding, Outcome, ParsedBatch, RoleRead};
use sync_wire::{AccountId, BatchId, DeviceId, FateCode, Position, Role, SpaceId, SpaceKind};

use crate::world::{Author, DOCUMENT, Pusher, Relay, code, on_each_shell, position, wait};

/// A team space with its owner ada, and bob, who has `role` in it.
fn team(relay: &Relay, role: Role) -> (SpaceId, Pusher) {
    let (ada, bob) = (relay.pusher("ada"), relay.pusher("bob"));
    let space = wait(relay.storage.create_space("team", SpaceKind::Team, Some(ada.account.id))).unwrap();
    wait(relay.storage.grant(space, bob.account.id, role)).unwrap();
    (space, bob.in_space(relay, space))
}

#[test]
fn a_viewer_is_parked_and_accepted_after_the_grant() {
    on_each_shell(|relay| {
        let (space, bob) = team(&relay, Role::Viewer);
        let change = Author::new("bob").edit();
        let parked = relay.append(bob.push(DOCUMENT, &[std::slice::from_ref(&change)]));
        let Outcome::Parked { code: FateCode::GRANT, judged_by, .. } = parked[0] else { panic!("{parked:?}") };
        assert_eq!(judged_by, bob.grant.access_version);
        wait(relay.storage.grant(space, bob.account.id, Role::Editor)).unwrap();
        let regranted = bob.in_space(&relay, space);
        assert_ne!(regranted.grant.access_version, judged_by, "worth pushing again");
        assert_eq!(position(&relay.append(regranted.push(DOCUMENT, &[&[change]]))[0]), 1);
    });
}

#[test]
fn a_grant_that_was_taken_meanwhile_is_noticed_in_the_transaction() {
    on_each_shell(|relay| {
        let (space, bob) = team(&relay, Role::Editor);
        let mut author = Author::new("bob");
        let (first, second) = (author.edit(), author.edit());
        relay.append(bob.push(DOCUMENT, &[std::slice::from_ref(&first)]));
        // Another process takes the grant; the session still holds the role that it read.
        wait(relay.second().storage.revoke_grant(space, bob.account.id)).unwrap();
        assert_eq!(code(&relay.append(bob.push(DOCUMENT, &[&[second]]))[0]), FateCode::GRANT);
        // What is in the log already is acknowledged all the same: own fate comes first.
        assert_eq!(position(&relay.append(bob.push(DOCUMENT, &[&[first]]))[0]), 1);
    });
}

#[test]
fn a_role_that_was_claimed_under_an_old_version_is_read_again() {
    on_each_shell(|relay| {
        let (_, bob) = team(&relay, Role::Viewer);
        let stale = RoleRead { role: Role::Owner, access_version: 0, kind: SpaceKind::Team };
        let request = Pusher { grant: stale, ..bob }.push(DOCUMENT, &[&[Author::new("bob").edit()]]);
        assert_eq!(code(&relay.append(request)[0]), FateCode::GRANT);
    });
}

#[test]
fn a_revoked_device_is_parked() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        wait(relay.storage.revoke_device(ada.device)).unwrap();
        assert_eq!(code(&relay.append(ada.push(DOCUMENT, &[&[Author::new("ada").edit()]]))[0]), FateCode::DEVICE);
    });
}

#[test]
fn what_a_revoked_device_had_yet_to_push_is_brought_by_another_of_its_account() {
    on_each_shell(|relay| {
        let (ada, bob, mut author) = (relay.pusher("ada"), relay.pusher("bob"), Author::new("ada"));
        relay.appended(&ada, DOCUMENT, &author.edits(2));
        let (heir, pending) = (ada.on_device("heir"), author.edits(2));
        let parked = relay.append(heir.push(DOCUMENT, &[&pending])).remove(0);
        let Outcome::Parked { code: FateCode::DEVICE, judged_by: before, .. } = parked else { panic!("{parked:?}") };
        wait(relay.storage.revoke_device(ada.device)).unwrap();
        assert_eq!(relay.appended(&heir, DOCUMENT, &pending).position, Position(4));
        // What was parked for this reason is worth pushing again.
        let parked = relay.append(ada.push(DOCUMENT, &[&author.edits(1)])).remove(0);
        assert!(matches!(parked, Outcome::Parked { judged_by, .. } if judged_by != before), "{parked:?}");
        let team = wait(relay.storage.create_space("team", SpaceKind::Team, Some(ada.account.id))).unwrap();
        wait(relay.storage.grant(team, bob.account.id, Role::Editor)).unwrap();
        let (ada, bob, mut author) = (heir.in_space(&relay, team), bob.in_space(&relay, team), Author::new("team"));
        relay.appended(&ada, DOCUMENT, &author.edits(1));
        let theirs = relay.append(bob.push(DOCUMENT, &[&author.edits(1)]));
        assert_eq!(code(&theirs[0]), FateCode::DEVICE, "another account has no part in it");
    });
}

/// Found by the simulated world: an edit on one that had lost its name was parked for ever, because another device had
/// written that one anew first.
#[test]
fn the_name_of_what_every_holder_may_bring_is_its_accounts() {
    let derived = |who: &Pusher, change: &Change| {
        let id = BatchId::derived(DOCUMENT, &change.hash());
        who.request(DOCUMENT, vec![ParsedBatch { id, content: BatchContent::Changes(vec![change.clone()]) }])
    };
    on_each_shell(|relay| {
        let (ada, mut author) = (relay.pusher("ada"), Author::new("derived"));
        let tablet = ada.on_device("tablet");
        relay.append(derived(&tablet, &author.edit()));
        assert_eq!(relay.appended(&ada, DOCUMENT, &author.edits(1)).position, Position(2), "it has said more");
        assert_eq!(relay.appended(&tablet, DOCUMENT, &author.edits(1)).position, Position(3));

        let mut author = author.joined_by("own");
        relay.appended(&ada, DOCUMENT, &author.edits(1));
        let lost = author.edit();
        let outcome = relay.append(derived(&tablet, &lost)).remove(0);
        assert!(matches!(outcome, Outcome::Appended { entries: 1, .. }), "{outcome:?}");
        let next = author.edits(1);
        assert_eq!(
            code(&relay.append(tablet.push(DOCUMENT, &[&next]))[0]),
            FateCode::DEVICE,
            "it is still the other's"
        );
        assert_eq!(relay.appended(&ada, DOCUMENT, &next).position, Position(6));

        let bob = relay.pusher("bob");
        let team = wait(relay.storage.create_space("team", SpaceKind::Team, Some(ada.account.id))).unwrap();
        wait(relay.storage.grant(team, bob.account.id, Role::Editor)).unwrap();
        let (ada, bob, mut author) = (ada.in_space(&relay, team), bob.in_space(&relay, team), Author::new("derived"));
        relay.append(derived(&ada, &author.edit()));
        for request in [bob.push(DOCUMENT, &[&author.clone().edits(1)]), derived(&bob, &author.edit())] {
            assert_eq!(code(&relay.append(request)[0]), FateCode::DEVICE, "another account has no part in it");
        }
    });
}

/// Found by the simulated world: the heir of a revoked device was parked for ever by a relay that was put back to a
/// backup from before it had known either, because nobody could revoke the old one again.
#[test]
fn a_device_that_the_relay_does_not_know_any_more_is_revoked_before_it_is_given_back() {
    on_each_shell(|relay| {
        let (ada, bob, mut author) = (relay.pusher("ada"), relay.pusher("bob"), Author::new("ada"));
        let lost = DeviceId([7; 16]);
        let revoke = |of: &Pusher| wait(relay.storage.revoke_device_of(of.account.id, lost)).unwrap();
        assert!(revoke(&ada));
        assert!(!revoke(&ada), "twice");
        assert!(!revoke(&bob), "it is another account's");
        let bound = |of: &Pusher| wait(relay.storage.bind_device(of.account.id, lost, "vault")).unwrap();
        assert_eq!((bound(&ada), bound(&bob)), (DeviceBinding::Revoked, DeviceBinding::TakenByAnother));
        // Names of any device of the account are its other devices' to go on under.
        relay.appended(&ada, DOCUMENT, &author.edits(2));
        relay.appended(&ada.on_device("heir"), DOCUMENT, &author.edits(2));
        let nobody = wait(relay.storage.revoke_device_of(AccountId([4; 16]), DeviceId([8; 16])));
        assert_eq!(nobody.unwrap_err().code(), "account_unknown");
    });
}

#[test]
fn a_device_that_is_revoked_by_its_account_keeps_what_it_said_of_itself() {
    on_each_shell(|relay| {
        let (ada, bob) = (relay.account("ada"), relay.account("bob"));
        let device = DeviceId([7; 16]);
        wait(relay.storage.bind_device(ada.id, device, "vault 1")).unwrap();
        assert!(!wait(relay.storage.revoke_device_of(bob.id, device)).unwrap(), "it is another account's");
        assert!(wait(relay.storage.revoke_device_of(ada.id, device)).unwrap());
        assert_eq!(wait(relay.storage.devices(ada.id)).unwrap()[0].agent, "vault 1");
    });
}

#[test]
fn an_unknown_space_is_parked_as_such() {
    on_each_shell(|relay| {
        let ada = Pusher { space: SpaceId([3; 16]), ..relay.pusher("ada") };
        let outcomes = relay.append(ada.push(DOCUMENT, &[&[Author::new("ada").edit()], &[Author::new("eve").edit()]]));
        assert!(matches!(outcomes[0], Outcome::Parked { code: FateCode::NO_SUCH_SPACE, judged_by: 0, .. }));
        assert_eq!(outcomes[1], Outcome::Skipped);
    });
}

#[test]
fn a_personal_space_cannot_be_shared() {
    on_each_shell(|relay| {
        let (ada, bob) = (relay.account("ada"), relay.account("bob"));
        let shared = wait(relay.storage.grant(ada.personal_space, bob.id, Role::Viewer));
        assert_eq!(shared.unwrap_err().code(), "space_personal");
        let taken = wait(relay.storage.revoke_grant(ada.personal_space, ada.id));
        assert_eq!(taken.unwrap_err().code(), "space_personal");
    });
}

#[test]
fn grants_tell_what_an_account_may_read_and_no_more() {
    on_each_shell(|relay| {
        let (space, bob) = team(&relay, Role::Viewer);
        let eve = relay.account("eve");
        let spaces = |account| wait(relay.storage.grants_of(account)).unwrap().into_iter().map(|grant| grant.space);
        assert!(spaces(bob.account.id).any(|granted| granted == space));
        assert!(!spaces(eve.id).any(|granted| granted == space));
        assert_eq!(wait(relay.storage.role_of(eve.id, space)).unwrap(), None);
        assert_eq!(wait(relay.storage.role_of(bob.account.id, SpaceId([3; 16]))).unwrap(), None);
        let names: Vec<_> =
            wait(relay.storage.members(space)).unwrap().into_iter().map(|(_, name, role)| (name, role)).collect();
        assert_eq!(names, [("ada".to_owned(), Role::Owner), ("bob".to_owned(), Role::Viewer)]);
        assert!(wait(relay.storage.revoke_grant(space, bob.account.id)).unwrap());
        assert!(!wait(relay.storage.revoke_grant(space, bob.account.id)).unwrap(), "twice");
        assert!(!spaces(bob.account.id).any(|granted| granted == space));
    });
}

#[test]
fn every_change_of_grants_moves_both_access_versions() {
    on_each_shell(|relay| {
        let (space, bob) = team(&relay, Role::Viewer);
        let versions = || {
            let info = wait(relay.storage.space(space)).unwrap().unwrap();
            (wait(relay.storage.access_version()).unwrap(), info.access_version)
        };
        let before = versions();
        wait(relay.storage.grant(space, bob.account.id, Role::Editor)).unwrap();
        let after = versions();
        assert!(after.0 > before.0 && after.1 > before.1, "{before:?} {after:?}");
    });
}

#[test]
fn spaces_and_accounts_that_are_not_there_are_named() {
    on_each_shell(|relay| {
        let ada = relay.account("ada");
        let space = wait(relay.storage.create_space("team", SpaceKind::Team, None)).unwrap();
        let nowhere = wait(relay.storage.grant(SpaceId([3; 16]), ada.id, Role::Viewer)).unwrap_err();
        let nobody = wait(relay.storage.grant(space, AccountId([4; 16]), Role::Viewer)).unwrap_err();
        assert_eq!((nowhere.code(), nobody.code()), ("space_unknown", "account_unknown"));
        assert!(nobody.to_string().contains(&AccountId([4; 16]).to_string()));
        let unnamed = wait(relay.storage.create_space("a\nb", SpaceKind::Team, None)).unwrap_err();
        assert_eq!(unnamed.code(), "space_name_invalid");
        assert_eq!(wait(relay.storage.spaces_named("team")).unwrap()[0].id, space);
    });
}

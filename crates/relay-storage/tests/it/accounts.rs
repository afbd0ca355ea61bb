//! Accounts, tokens, devices.

use relay_storage::{DeviceBinding, TokenRef};
use sync_wire::{AccountId, DeviceId, Role, SpaceKind};

use crate::world::{on_each_shell, wait};

#[test]
fn an_account_has_a_personal_space_of_its_own() {
    on_each_shell(|relay| {
        let ada = relay.account("ada");
        let grants = wait(relay.storage.grants_of(ada.id)).unwrap();
        assert_eq!(grants.len(), 1);
        assert_eq!(
            (grants[0].space, grants[0].kind, grants[0].role),
            (ada.personal_space, SpaceKind::Personal, Role::Owner)
        );
        assert_eq!(wait(relay.storage.account_named("ada")).unwrap(), Some(ada.clone()));
        assert_eq!(wait(relay.storage.account(ada.id)).unwrap(), Some(ada));
    });
}

#[test]
fn account_names_are_unique_and_plain() {
    on_each_shell(|relay| {
        relay.account("ada");
        let code = |name: &str| wait(relay.storage.create_account(name)).map_err(|error| error.code()).unwrap_err();
        assert_eq!(code("ada"), "account_name_taken");
        for name in ["", "Ada", "a b", ".ada", "ä", &"a".repeat(65)] {
            assert_eq!(code(name), "account_name_invalid", "{name}");
        }
        // A refused name leaves nothing behind: neither account nor space.
        assert_eq!(wait(relay.storage.accounts()).unwrap().len(), 1);
        assert_eq!(wait(relay.storage.spaces_named("ada")).unwrap().len(), 1);
    });
}

#[test]
fn a_token_stands_for_its_account_until_it_is_revoked() {
    on_each_shell(|relay| {
        let ada = relay.account("ada");
        let token = wait(relay.storage.create_token(ada.id, "laptop")).unwrap();
        let principal = wait(relay.storage.authenticate(&token.secret)).unwrap().unwrap();
        assert_eq!((principal.account, principal.account_name.as_str(), principal.token), (ada.id, "ada", token.id));
        let before = wait(relay.storage.access_version()).unwrap();
        assert!(wait(relay.storage.revoke_token(TokenRef::Id(token.id))).unwrap());
        assert!(!wait(relay.storage.revoke_token(TokenRef::Secret(&token.secret))).unwrap(), "twice");
        assert!(wait(relay.storage.access_version()).unwrap() > before);
        assert_eq!(wait(relay.storage.authenticate(&token.secret)).unwrap(), None);
        assert!(!wait(relay.storage.token_is_valid(token.id)).unwrap());
        assert!(wait(relay.storage.tokens(ada.id)).unwrap()[0].revoked_at.is_some());
    });
}

#[test]
fn what_is_no_token_stands_for_nobody() {
    on_each_shell(|relay| {
        let ada = relay.account("ada");
        let secret = wait(relay.storage.create_token(ada.id, "")).unwrap().secret;
        let texts = ["", "svt_", "svt_!!!", "bearer", &secret[4..], &format!("{secret}1"), &"svt_1".repeat(10_000)];
        for text in texts {
            assert_eq!(wait(relay.storage.authenticate(text)).unwrap(), None, "{text:.60}");
        }
        let unknown = wait(relay.storage.create_token(AccountId([1; 16]), "")).unwrap_err();
        assert_eq!(unknown.code(), "account_unknown");
    });
}

#[test]
fn a_token_is_never_stored_in_clear() {
    on_each_shell(|relay| {
        let ada = relay.account("ada");
        let token = wait(relay.storage.create_token(ada.id, "laptop")).unwrap();
        relay.storage.checkpoint().unwrap();
        wait(relay.storage.close());
        let bytes = std::fs::read(&relay.path).unwrap();
        let raw = bs58::decode(&token.secret[4..]).into_vec().unwrap();
        assert!(contains(&bytes, b"laptop"), "the row is in the file");
        assert!(!contains(&bytes, &token.secret.as_bytes()[4..]) && !contains(&bytes, &raw));
        assert!(!format!("{token:?}").contains(&token.secret));
    });
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn a_device_belongs_to_the_account_of_its_first_contact() {
    on_each_shell(|relay| {
        let (ada, bob, device) = (relay.account("ada"), relay.account("bob"), DeviceId([1; 16]));
        let bind = |account, agent| wait(relay.storage.bind_device(account, device, agent)).unwrap();
        assert_eq!(bind(ada.id, "vault 1"), DeviceBinding::Bound);
        assert_eq!(bind(bob.id, "vault 1"), DeviceBinding::TakenByAnother);
        assert_eq!(bind(ada.id, "vault 2"), DeviceBinding::Bound);
        assert_eq!(wait(relay.storage.devices(ada.id)).unwrap()[0].agent, "vault 2");
        assert!(wait(relay.storage.device_is_valid(ada.id, device)).unwrap());
        assert!(wait(relay.storage.revoke_device(device)).unwrap());
        assert_eq!(bind(ada.id, "vault 2"), DeviceBinding::Revoked);
        assert_eq!(bind(bob.id, "vault 2"), DeviceBinding::TakenByAnother);
        assert!(!wait(relay.storage.device_is_valid(ada.id, device)).unwrap());
        assert!(wait(relay.storage.devices(bob.id)).unwrap().is_empty());
    });
}

#[test]
fn a_second_process_sees_and_makes_tokens_while_the_first_runs() {
    on_each_shell(|relay| {
        let admin = relay.second();
        let ada = admin.account("ada");
        let before = wait(relay.storage.access_version()).unwrap();
        let token = wait(admin.storage.create_token(ada.id, "laptop")).unwrap();
        assert!(wait(relay.storage.access_version()).unwrap() > before, "the server notices");
        assert!(wait(relay.storage.authenticate(&token.secret)).unwrap().is_some());
        assert!(wait(admin.storage.revoke_token(TokenRef::Secret(&token.secret))).unwrap());
        assert!(wait(relay.storage.authenticate(&token.secret)).unwrap().is_none());
    });
}

#[test]
fn an_account_has_one_website_device_and_another_one_when_that_is_revoked() {
    on_each_shell(|relay| {
        let (ada, bob) = (relay.account("ada").id, relay.account("bob").id);
        let device = |account| wait(relay.storage.website_device(account)).unwrap();
        let first = device(ada);
        assert_eq!(device(ada), first);
        assert_ne!(device(bob), first);
        let listed = wait(relay.storage.devices(ada)).unwrap();
        assert_eq!((listed.len(), listed[0].id, listed[0].agent.as_str()), (1, first, "website"));
        assert!(wait(relay.storage.revoke_device(first)).unwrap());
        let second = device(ada);
        assert_ne!(second, first);
        assert!(wait(relay.storage.device_is_valid(ada, second)).unwrap());
        let unknown = wait(relay.storage.website_device(AccountId([9; 16]))).unwrap_err();
        assert_eq!(unknown.code(), "account_unknown");
    });
}

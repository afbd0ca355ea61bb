//! Requests with a key of their sender.

use std::time::Duration;

use relay_storage::{KEYED_KEPT, KEYED_LEASE, Keyed, Limits};
use sync_wire::AccountId;

use crate::world::{Relay, THREADS, on_each_shell, wait};

const ONE: [u8; 32] = [1; 32];
const OTHER: [u8; 32] = [2; 32];

fn begin(relay: &Relay, account: AccountId, key: &str, fingerprint: [u8; 32]) -> Keyed {
    wait(relay.storage.begin_keyed(account, key, fingerprint)).unwrap()
}

#[test]
fn a_repeated_request_gets_the_answer_of_the_first_one_for_a_day() {
    on_each_shell(|relay| {
        let ada = relay.account("ada").id;
        assert_eq!(begin(&relay, ada, "k", ONE), Keyed::Begun);
        assert_eq!(begin(&relay, ada, "k", ONE), Keyed::Underway);
        wait(relay.storage.answer_keyed(ada, "k", b"done".to_vec())).unwrap();
        assert_eq!(begin(&relay, ada, "k", ONE), Keyed::Answered(b"done".to_vec()));
        relay.pass_for(KEYED_KEPT - Duration::from_mins(1));
        let relay = relay.reopened();
        assert_eq!(begin(&relay, ada, "k", ONE), Keyed::Answered(b"done".to_vec()));
        assert_eq!(wait(relay.storage.sweep_keyed()).unwrap(), 0);
        relay.pass_for(Duration::from_mins(2));
        assert_eq!(begin(&relay, ada, "k", OTHER), Keyed::Begun, "the day is over");
        relay.pass_for(KEYED_KEPT + Duration::from_mins(1));
        assert_eq!(wait(relay.storage.sweep_keyed()).unwrap(), 1);
    });
}

#[test]
fn a_key_is_of_one_request_and_of_one_account() {
    on_each_shell(|relay| {
        let (ada, bob) = (relay.account("ada").id, relay.account("bob").id);
        assert_eq!(begin(&relay, ada, "k", ONE), Keyed::Begun);
        assert_eq!(begin(&relay, ada, "k", OTHER), Keyed::OfAnother);
        assert_eq!(begin(&relay, bob, "k", OTHER), Keyed::Begun);
        wait(relay.storage.forget_keyed(ada, "k")).unwrap();
        assert_eq!(begin(&relay, ada, "k", OTHER), Keyed::Begun, "what came to nothing is forgotten");
        wait(relay.storage.answer_keyed(ada, "k", b"done".to_vec())).unwrap();
        wait(relay.storage.forget_keyed(ada, "k")).unwrap();
        assert_eq!(begin(&relay, ada, "k", OTHER), Keyed::Answered(b"done".to_vec()), "what was done is not");
        let nobody = wait(relay.storage.begin_keyed(AccountId([9; 16]), "k", ONE)).unwrap_err();
        assert_eq!(nobody.code(), "account_unknown");
    });
}

#[test]
fn a_request_whose_relay_is_gone_is_taken_over_when_its_lease_ends_and_the_late_answer_is_nothing() {
    on_each_shell(|relay| {
        let ada = relay.account("ada").id;
        assert_eq!(begin(&relay, ada, "k", ONE), Keyed::Begun);
        let other = relay.second();
        assert_eq!(begin(&other, ada, "k", ONE), Keyed::Underway);
        relay.pass_for(KEYED_LEASE + Duration::from_secs(1));
        assert_eq!(begin(&other, ada, "k", ONE), Keyed::TakenOver);
        wait(relay.storage.answer_keyed(ada, "k", b"late".to_vec())).unwrap();
        wait(relay.storage.forget_keyed(ada, "k")).unwrap();
        assert_eq!(begin(&relay, ada, "k", ONE), Keyed::Underway);
        wait(other.storage.answer_keyed(ada, "k", b"done".to_vec())).unwrap();
        assert_eq!(begin(&relay, ada, "k", ONE), Keyed::Answered(b"done".to_vec()));
    });
}

#[test]
fn an_account_has_as_many_keys_as_it_may_and_not_one_more() {
    let relay = Relay::limited(THREADS, Limits { keyed_requests_max: 2, ..Limits::default() });
    let (ada, bob) = (relay.account("ada").id, relay.account("bob").id);
    assert_eq!(begin(&relay, ada, "1", ONE), Keyed::Begun);
    assert_eq!(begin(&relay, ada, "2", ONE), Keyed::Begun);
    assert_eq!(begin(&relay, ada, "3", ONE), Keyed::Full { most: 2 });
    assert_eq!(begin(&relay, ada, "1", ONE), Keyed::Underway, "those that are there go on");
    assert_eq!(begin(&relay, bob, "3", ONE), Keyed::Begun);
}

#[test]
fn a_backup_knows_no_keys() {
    on_each_shell(|relay| {
        let ada = relay.account("ada").id;
        begin(&relay, ada, "k", ONE);
        wait(relay.storage.answer_keyed(ada, "k", b"done".to_vec())).unwrap();
        assert_eq!(begin(&relay.backup(), ada, "k", ONE), Keyed::Begun);
    });
}

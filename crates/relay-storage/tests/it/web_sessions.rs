//! Browsers that are signed in: how long, how many, and that what is over lets nobody in.

use std::time::Duration;

use relay_storage::{
    AccountRole, Credential, LINK_KEPT, LINKS_MAX, WEB_AGENT_BYTES_MAX, WEB_SESSION_IDLE, WEB_SESSION_KEPT,
    WEB_SESSIONS_MAX, WebSessionId,
};
use rusqlite::Connection;
use sync_wire::AccountId;

use crate::world::{Relay, on_each_shell, wait};

const SECOND: Duration = Duration::from_secs(1);

fn link(relay: &Relay, account: AccountId) -> String {
    wait(relay.storage.create_sign_in_link(account)).unwrap()
}

/// Signs in; the session and its secret.
fn sign_in(relay: &Relay, code: &str) -> Option<(WebSessionId, String)> {
    let begun = wait(relay.storage.sign_in(code, "browser")).unwrap();
    begun.map(|begun| (begun.session.id, begun.secret))
}

fn is_good(relay: &Relay, secret: &str) -> bool {
    wait(relay.storage.web_principal(secret)).unwrap().is_some()
}

#[test]
fn a_link_signs_its_account_in_once() {
    on_each_shell(|relay| {
        let ada = relay.account("ada");
        let code = link(&relay, ada.id);
        let begun = wait(relay.storage.sign_in(&code, "browser")).unwrap().unwrap();
        assert_eq!(begun.account, ada.id);
        let principal = wait(relay.storage.web_principal(&begun.secret)).unwrap().unwrap();
        assert_eq!((principal.account, principal.session), (ada.id, begun.session.id));
        assert_eq!(sign_in(&relay, &code), None, "twice");
        for nothing in ["", "svl_", "svl_!", &begun.secret, &code[..code.len() - 1]] {
            assert_eq!(sign_in(&relay, nothing), None, "{nothing}");
            assert!(!is_good(&relay, nothing) || nothing == begun.secret, "{nothing}");
        }
        assert!(!is_good(&relay, &code));
        assert_eq!(wait(relay.storage.authenticate(&begun.secret)).unwrap(), None, "a session is no token");
    });
}

#[test]
fn a_link_is_good_for_a_quarter_of_an_hour_and_not_a_moment_longer() {
    on_each_shell(|relay| {
        let ada = relay.account("ada");
        let (early, late) = (link(&relay, ada.id), link(&relay, ada.id));
        relay.pass_for(LINK_KEPT - SECOND);
        assert!(sign_in(&relay, &early).is_some());
        relay.pass_for(SECOND);
        assert_eq!(sign_in(&relay, &late), None);
    });
}

#[test]
fn an_account_has_so_many_links_and_the_oldest_goes_for_one_more() {
    on_each_shell(|relay| {
        let (ada, bob) = (relay.account("ada"), relay.account("bob"));
        let other = link(&relay, bob.id);
        let mut links = Vec::new();
        for _ in 0..=LINKS_MAX {
            links.push(link(&relay, ada.id));
            relay.pass_for(SECOND);
        }
        let good: Vec<bool> = links.iter().map(|code| sign_in(&relay, code).is_some()).collect();
        assert_eq!(good.iter().filter(|good| **good).count() as u64, LINKS_MAX);
        assert!(!good[0], "the oldest");
        assert!(sign_in(&relay, &other).is_some(), "of somebody else");
    });
}

#[test]
fn a_session_ends_when_it_is_not_used_and_when_it_is_old() {
    on_each_shell(|relay| {
        let ada = relay.account("ada");
        let ((idle, unused), (busy, used)) =
            (sign_in(&relay, &link(&relay, ada.id)).unwrap(), sign_in(&relay, &link(&relay, ada.id)).unwrap());
        let step = WEB_SESSION_IDLE - SECOND;
        let mut passed = Duration::ZERO;
        let mut noted = 0;
        while passed + step < WEB_SESSION_KEPT {
            relay.pass_for(step);
            passed += step;
            assert_eq!(is_good(&relay, &unused), passed < WEB_SESSION_IDLE);
            let principal = wait(relay.storage.web_principal(&used)).unwrap().unwrap();
            assert!(principal.is_to_be_noted && principal.good_for > Duration::ZERO);
            wait(relay.storage.note_web_session(busy)).unwrap();
            let again = wait(relay.storage.web_principal(&used)).unwrap().unwrap();
            assert!(!again.is_to_be_noted, "reading writes nothing");
            noted += 1;
        }
        assert!(noted > 5, "{noted}");
        let listed: Vec<WebSessionId> =
            wait(relay.storage.web_sessions(ada.id)).unwrap().into_iter().map(|session| session.id).collect();
        assert_eq!(listed, [busy]);
        let before = wait(relay.storage.access_version()).unwrap();
        assert!(wait(relay.storage.end_old_web_sessions()).unwrap());
        assert!(wait(relay.storage.access_version()).unwrap() > before, "what is open of it ends as well");
        assert!(!wait(relay.storage.end_old_web_sessions()).unwrap(), "there is one of each no more");
        assert!(!wait(relay.storage.credential_is_valid(Credential::Session(idle))).unwrap());
        relay.pass_for(WEB_SESSION_KEPT - passed);
        assert!(!is_good(&relay, &used), "however much it is used");
    });
}

#[test]
fn an_account_has_so_many_sessions_and_the_one_unused_for_longest_goes() {
    on_each_shell(|relay| {
        let ada = relay.account("ada");
        let mut sessions = Vec::new();
        for number in 0..=WEB_SESSIONS_MAX {
            if number == WEB_SESSIONS_MAX {
                wait(relay.storage.note_web_session(sessions.first().map(|(id, _)| *id).unwrap())).unwrap();
            }
            sessions.push(sign_in(&relay, &link(&relay, ada.id)).unwrap());
            relay.pass_for(SECOND);
        }
        let good: Vec<bool> = sessions.iter().map(|(_, secret)| is_good(&relay, secret)).collect();
        assert_eq!(good.iter().filter(|good| **good).count() as u64, WEB_SESSIONS_MAX);
        assert!(good[0] && !good[1]);
        assert_eq!(wait(relay.storage.web_sessions(ada.id)).unwrap().len() as u64, WEB_SESSIONS_MAX);
    });
}

#[test]
fn nobody_ends_sessions_of_others_and_who_ends_his_own_is_out() {
    on_each_shell(|relay| {
        let (ada, bob) = (relay.account("ada"), relay.account("bob"));
        let (session, secret) = sign_in(&relay, &link(&relay, ada.id)).unwrap();
        assert!(!wait(relay.storage.end_web_session(bob.id, session)).unwrap());
        assert!(is_good(&relay, &secret));
        let before = wait(relay.storage.access_version()).unwrap();
        assert!(wait(relay.storage.end_web_session(ada.id, session)).unwrap());
        assert!(wait(relay.storage.access_version()).unwrap() > before);
        assert!(!is_good(&relay, &secret) && !wait(relay.storage.end_web_session(ada.id, session)).unwrap());
        assert!(!wait(relay.storage.credential_is_valid(Credential::Session(session))).unwrap());
    });
}

#[test]
fn what_a_browser_calls_itself_is_cut_and_its_name_reads_back() {
    on_each_shell(|relay| {
        let ada = relay.account("ada");
        let long = format!("x{}", "ä".repeat(WEB_AGENT_BYTES_MAX));
        let begun = wait(relay.storage.sign_in(&link(&relay, ada.id), &long)).unwrap().unwrap();
        assert_eq!(begun.session.agent.len(), WEB_AGENT_BYTES_MAX - 1, "whole letters");
        assert_eq!(begun.session.id.to_string().parse(), Ok(begun.session.id));
        for wrong in ["", "1", "00000000000000001", "+000000000000001", "000000000000000G"] {
            assert!(wrong.parse::<WebSessionId>().is_err(), "{wrong}");
        }
        assert!(!format!("{begun:?}").contains(&begun.secret));
    });
}

#[test]
fn neither_file_nor_backup_lets_anybody_in() {
    on_each_shell(|relay| {
        let ada = relay.account("ada");
        let code = link(&relay, ada.id);
        let (_, secret) = sign_in(&relay, &link(&relay, ada.id)).unwrap();
        let copy = relay.path.with_extension("copy");
        wait(relay.storage.backup(&copy)).unwrap();
        wait(relay.storage.close());
        let rows = |path: &std::path::Path, table: &str| -> i64 {
            let sql = format!("SELECT count(*) FROM {table}");
            Connection::open(path).unwrap().query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        for table in ["sign_in_links", "web_sessions"] {
            assert_eq!((rows(&relay.path, table), rows(&copy, table)), (1, 0), "{table}");
        }
        let bytes = std::fs::read(&relay.path).unwrap();
        for text in [code, secret] {
            let secret = bs58::decode(&text[4..]).into_vec().unwrap();
            assert!(!bytes.windows(32).any(|window| window == secret), "the secret itself is kept");
            assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()));
        }
    });
}

#[test]
fn an_account_is_an_operator_until_it_is_none() {
    on_each_shell(|relay| {
        let ada = relay.account("ada");
        let role = |role| wait(relay.storage.set_account_role(ada.id, role)).unwrap();
        let read = || wait(relay.storage.account(ada.id)).unwrap().unwrap().role;
        assert_eq!(read(), AccountRole::User);
        let before = wait(relay.storage.access_version()).unwrap();
        role(AccountRole::Operator);
        role(AccountRole::Operator);
        assert_eq!((read(), wait(relay.storage.access_version()).unwrap()), (AccountRole::Operator, before + 1));
        role(AccountRole::User);
        assert_eq!(read(), AccountRole::User);
        let nobody = wait(relay.storage.set_account_role(AccountId([9; 16]), AccountRole::Operator));
        assert_eq!(nobody.unwrap_err().code(), "account_unknown");
    });
}

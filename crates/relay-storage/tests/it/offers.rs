//! What devices give back to a log that lost its end.

use std::path::PathBuf;
use std::sync::Arc;

use document::Change;
use relay_storage::{HELD, Outcome, ReceiptKeys, Shell, StorageOptions, Taken, TakenEpoch};
use sync_wire::{Chain, Checkpoint, DocumentId, Entry, FateCode, LogPosition, Position, Role, Run, SpaceKind, Voucher};

use crate::world::{Author, DOCUMENT, Pusher, Relay, batch, code, on_each_shell, wait};

/// A log of six entries in batches of two, of which the backup has the first two; and what a device was delivered.
struct Restored {
    relay: Relay,
    ada: Pusher,
    /// As it was when the backup was made.
    author: Author,
    /// With everything that it wrote.
    latest: Author,
    delivered: Vec<Entry>,
    end: LogPosition,
    chains: Vec<Chain>,
    receipt: sync_wire::log::Receipt,
}

impl Restored {
    fn new(shell: Shell) -> Self {
        let relay = Relay::new(shell);
        let ada = relay.pusher("ada");
        Self::of(&relay, ada)
    }

    fn of(relay: &Relay, ada: Pusher) -> Self {
        let mut author = Author::new("ada");
        let mut backup = PathBuf::new();
        let mut chains = vec![Chain::START];
        let mut later = Author::new("ada");
        for round in 0..3 {
            relay.appended(&ada, DOCUMENT, &author.edits(2));
            chains.push(wait(relay.storage.space(ada.space)).unwrap().unwrap().end_chain);
            if round == 0 {
                backup = relay.path.with_file_name("backup.sqlite");
                wait(relay.storage.backup(&backup)).unwrap();
                later = author.clone();
            }
        }
        let page = relay.page(ada.space, relay.start(ada.space), usize::MAX);
        let (delivered, end, receipt) = (page.entries, relay.end(ada.space), page.receipt);
        let relay = relay.put_back(&backup);
        assert_eq!(relay.end(ada.space).position, Position(2), "the backup is older");
        Self { relay, ada, author: later, latest: author, delivered, end, chains, receipt }
    }

    /// The entries after the first two, as the device keeps them.
    fn run(&self) -> Run {
        Run {
            after: Position(2),
            upto: self.end.position,
            epoch: self.end.epoch,
            entries: self.delivered[2..].to_vec(),
            voucher: Some(Voucher { before: self.chains[1], chain: self.chains[3], receipt: self.receipt }),
        }
    }

    fn unvouched(&self) -> Run {
        Run { voucher: None, ..self.run() }
    }

    fn take(&self, run: Run) -> Taken {
        self.take_from(&self.ada, run)
    }

    fn take_from(&self, pusher: &Pusher, run: Run) -> Taken {
        wait(self.relay.storage.take_run(pusher.account.id, self.ada.space, run)).unwrap()
    }

    fn log(&self) -> Vec<Entry> {
        self.relay.page(self.ada.space, self.relay.start(self.ada.space), usize::MAX).entries
    }

    fn end(&self) -> LogPosition {
        self.relay.end(self.ada.space)
    }
}

fn change(author: &mut Author) -> Change {
    author.edit()
}

#[test]
fn what_was_lost_is_appended_unchanged_at_its_old_positions() {
    on_each_shell_restored(|restored| {
        let taken = restored.take(restored.run());
        assert_eq!((taken.entries, taken.epoch, taken.end), (4, TakenEpoch::Same, restored.end));
        assert_eq!(restored.log(), restored.delivered);
        let info = wait(restored.relay.storage.space(restored.ada.space)).unwrap().unwrap();
        assert_eq!(info.end_chain, restored.chains[3]);
        assert_eq!(restored.relay.findings(), Vec::<&str>::new());
    });
}

#[test]
fn a_run_that_begins_before_the_end_of_the_log_is_joined_to_it() {
    on_each_shell_restored(|restored| {
        let before = Chain::START;
        let voucher = Some(Voucher { before, chain: restored.chains[3], receipt: restored.receipt });
        let run = Run { after: Position::START, entries: restored.delivered.clone(), voucher, ..restored.run() };
        let taken = restored.take(run);
        assert_eq!((taken.entries, taken.epoch, taken.end), (4, TakenEpoch::Same, restored.end));
        assert_eq!(restored.log(), restored.delivered);
    });
}

#[test]
fn offering_again_changes_nothing() {
    on_each_shell_restored(|restored| {
        restored.take(restored.run());
        let again = restored.take(restored.run());
        assert_eq!((again.entries, again.epoch, again.end), (0, TakenEpoch::Same, restored.end));
        assert_eq!(restored.log(), restored.delivered);
    });
}

#[test]
fn what_was_pushed_since_stays_and_the_rest_follows_in_a_new_epoch() {
    on_each_shell_restored(|mut restored| {
        let bob = restored.ada.on_device("tablet");
        let since = change(&mut restored.author.joined_by("bob"));
        restored.relay.appended(&bob, DOCUMENT, std::slice::from_ref(&since));
        let taken = restored.take(restored.run());
        assert_eq!((taken.entries, taken.epoch), (4, TakenEpoch::New));
        assert_ne!(taken.end.epoch, restored.end.epoch);
        let log = restored.log();
        assert_eq!(log.len(), 7);
        assert_eq!(log[2].hash, since.hash());
        assert_eq!(log[3..], restored.delivered[2..], "with their devices and batches");
        let again = restored.take(restored.run());
        assert_eq!(
            (again.entries, again.epoch, again.end),
            (0, TakenEpoch::Same, taken.end),
            "one epoch, nothing twice"
        );
        assert_eq!(restored.relay.findings(), Vec::<&str>::new());
        restored.author.see(&since);
    });
}

#[test]
fn several_devices_may_offer_parts_in_any_order() {
    on_each_shell_restored(|restored| {
        let second = restored.chains[2];
        let keys = &restored.relay.keys;
        let receipt = keys.sign(restored.ada.space, restored.end.epoch, Position(4), &second);
        let first_half = Run {
            upto: Position(4),
            entries: restored.delivered[2..4].to_vec(),
            voucher: Some(Voucher { before: restored.chains[1], chain: second, receipt }),
            ..restored.run()
        };
        assert_eq!(restored.take(first_half.clone()).entries, 2);
        assert_eq!(restored.take(restored.run()).entries, 2);
        let late = restored.take(first_half);
        assert_eq!((late.entries, late.epoch, late.end), (0, TakenEpoch::Same, restored.end));
        assert_eq!(restored.log(), restored.delivered);
    });
}

#[test]
fn a_forged_receipt_vouches_for_nothing() {
    on_each_shell_restored(|restored| {
        let mallory = restored.relay.pusher("mallory");
        let mut forged = restored.run();
        forged.voucher.as_mut().unwrap().receipt.mac[0] ^= 1;
        let taken = restored.take_from(&mallory, forged);
        assert_eq!((taken.entries, taken.epoch, taken.left_out.len()), (0, TakenEpoch::Same, 2));
        assert_eq!(restored.end().position, Position(2));
    });
}

#[test]
fn entries_that_were_altered_are_not_vouched_for() {
    on_each_shell_restored(|restored| {
        let mallory = restored.relay.pusher("mallory");
        let mut altered = restored.run();
        altered.entries[0].device = mallory.device;
        let taken = restored.take_from(&mallory, altered);
        assert_eq!((taken.entries, restored.end().position), (0, Position(2)));
    });
}

#[test]
fn a_reader_may_give_back_what_a_receipt_vouches_for() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let space = wait(relay.storage.create_space("team", SpaceKind::Team, Some(ada.account.id))).unwrap();
        let eve = relay.pusher("eve");
        wait(relay.storage.grant(space, eve.account.id, Role::Viewer)).unwrap();
        let ada = ada.in_space(&relay, space);
        let restored = Restored::of(&relay, ada);
        let mut unvouched = restored.unvouched();
        unvouched.entries.iter_mut().for_each(|entry| entry.device = eve.device);
        for run in [restored.unvouched(), unvouched] {
            assert_eq!(restored.take_from(&eve, run).entries, 0, "without a receipt nothing enters a shared space");
        }
        let taken = restored.take_from(&eve, restored.run());
        assert_eq!((taken.entries, taken.epoch), (4, TakenEpoch::Same));
        assert_eq!(restored.log(), restored.delivered, "and they are ada's");
    });
}

/// Found by the simulated world: an attacker pushed into another document what a relay had lost, and so had the name of
/// its author before it was given back.
#[test]
fn a_name_that_another_took_while_the_log_had_forgotten_its_owner_goes_back_to_him() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let space = wait(relay.storage.create_space("team", SpaceKind::Team, Some(ada.account.id))).unwrap();
        let bob = relay.pusher("bob");
        wait(relay.storage.grant(space, bob.account.id, Role::Editor)).unwrap();
        let (ada, bob) = (ada.in_space(&relay, space), bob.in_space(&relay, space));
        let (backup, mut author) = (relay.path.with_file_name("backup.sqlite"), Author::new("bob"));
        wait(relay.storage.backup(&backup)).unwrap();
        relay.appended(&bob, DOCUMENT, &author.edits(2));
        let (page, end) = (relay.page(space, relay.start(space), usize::MAX), relay.end(space));
        let chain = wait(relay.storage.space(space)).unwrap().unwrap().end_chain;
        let relay = relay.put_back(&backup);
        let stolen: Vec<Change> =
            page.entries.iter().map(|it| Change::parse(it.bytes.clone().unwrap()).unwrap()).collect();
        let elsewhere = DocumentId([0xd1; 16]);
        relay.appended(&ada, elsewhere, &stolen);
        let voucher = Some(Voucher { before: Chain::START, chain, receipt: page.receipt });
        let run = Run { after: Position(0), upto: end.position, epoch: end.epoch, entries: page.entries, voucher };
        let taken = wait(relay.storage.take_run(bob.account.id, space, run)).unwrap();
        assert_eq!((taken.entries, taken.epoch), (2, TakenEpoch::New), "{:?}", taken.left_out);
        let more = author.edits(1);
        assert_eq!(code(&relay.append(ada.push(elsewhere, &[&more]))[0]), FateCode::DEVICE);
        relay.appended(&bob, DOCUMENT, &more);
        assert_eq!(relay.findings(), Vec::<&str>::new());
    });
}

#[test]
fn without_a_receipt_an_account_gives_back_its_own_in_a_new_epoch() {
    on_each_shell_restored(|restored| {
        let taken = restored.take(restored.unvouched());
        assert_eq!((taken.entries, taken.epoch), (4, TakenEpoch::New));
        let hashes = |entries: &[Entry]| entries.iter().map(|entry| (entry.hash, entry.device)).collect::<Vec<_>>();
        assert_eq!(hashes(&restored.log()), hashes(&restored.delivered));
        let again = restored.take(restored.unvouched());
        assert_eq!((again.entries, again.epoch, again.end), (0, TakenEpoch::Same, taken.end));
    });
}

#[test]
fn entries_of_anothers_device_without_a_receipt_are_left_out() {
    on_each_shell_restored(|restored| {
        let bob = restored.relay.pusher("bob");
        let mut run = restored.unvouched();
        run.entries.iter_mut().for_each(|entry| entry.device = bob.device);
        let taken = restored.take(run);
        assert_eq!((taken.entries, taken.epoch, restored.end().position), (0, TakenEpoch::Same, Position(2)));
    });
}

#[test]
fn what_breaks_a_rule_is_left_out_with_what_rests_on_it() {
    on_each_shell_restored(|restored| {
        let mut run = restored.unvouched();
        run.entries.drain(..2); // the middle batch is missing, and the last one rests on it
        let taken = restored.take(run);
        assert_eq!((taken.entries, taken.left_out.len(), taken.epoch), (0, 1, TakenEpoch::Same));
    });
}

#[test]
fn markers_come_back_like_changes() {
    on_each_shell(|relay| {
        let ada = relay.pusher("ada");
        let mut author = Author::new("ada");
        relay.appended(&ada, DOCUMENT, &[author.edit()]);
        let backup = relay.path.with_file_name("backup.sqlite");
        wait(relay.storage.backup(&backup)).unwrap();
        let before = wait(relay.storage.space(ada.space)).unwrap().unwrap();
        relay.append(ada.tombstone(DOCUMENT, 7, &author.heads));
        relay.append(ada.restore(DOCUMENT, 8));
        relay.append(ada.request(DOCUMENT, vec![batch(&[author.edit()])]));
        let page = relay.page(ada.space, before.end, usize::MAX);
        let end = relay.end(ada.space);
        let relay = relay.put_back(&backup);
        let voucher = Some(Voucher { before: before.end_chain, chain: page.chain, receipt: page.receipt });
        let (after, upto, epoch) = (before.end.position, end.position, end.epoch);
        let run = Run { after, upto, epoch, entries: page.entries.clone(), voucher };
        let taken = wait(relay.storage.take_run(ada.account.id, ada.space, run)).unwrap();
        assert_eq!((taken.entries, taken.epoch, taken.end), (3, TakenEpoch::Same, end));
        assert_eq!(relay.page(ada.space, before.end, usize::MAX).entries, page.entries);
    });
}

#[test]
fn the_highest_common_place_is_found_by_chain_whatever_the_epoch() {
    on_each_shell_restored(|restored| {
        let checkpoints = |chains: &[Chain]| {
            let place = |(at, chain): (usize, &Chain)| Checkpoint { position: Position(at as u64 * 2), chain: *chain };
            chains.iter().enumerate().skip(1).map(place).collect::<Vec<_>>()
        };
        let common = |chains: &[Chain]| {
            wait(restored.relay.storage.common_place(restored.ada.space, checkpoints(chains))).unwrap().unwrap().0
        };
        assert_eq!(common(&restored.chains).position, Position(2));
        assert_eq!(common(&[Chain::START, Chain([1; 32])]), Checkpoint { position: Position(0), chain: Chain::START });
        restored.take(restored.unvouched());
        assert_eq!(common(&restored.chains).position, Position(6), "the same entries make the same chain");
    });
}

#[test]
fn a_lost_keys_file_makes_receipts_of_before_worthless() {
    on_each_shell_restored(|restored| {
        wait(restored.relay.storage.close());
        let options = StorageOptions::new(ReceiptKeys::from_secret(7, [1; 32]));
        let url = relay_storage::StorageUrl::Sqlite(restored.relay.path.clone());
        let storage = relay_storage::Storage::open_blocking(&url, options).unwrap();
        let taken = wait(storage.take_run(restored.ada.account.id, restored.ada.space, restored.run())).unwrap();
        assert_eq!((taken.entries, taken.epoch), (4, TakenEpoch::New), "the account's own, all the same");
    });
}

#[test]
fn a_document_of_the_relay_is_taken_back_where_the_log_vouches_for_it_and_from_nobody_else() {
    on_each_shell_restored(|restored| {
        wait(restored.relay.storage.close());
        let mut options = StorageOptions::new(restored.relay.keys.clone());
        options.reserved = Arc::from([DOCUMENT]);
        let url = relay_storage::StorageUrl::Sqlite(restored.relay.path.clone());
        let storage = relay_storage::Storage::open_blocking(&url, options).unwrap();
        let take = |run| wait(storage.take_run(restored.ada.account.id, restored.ada.space, run)).unwrap();
        let taken = take(restored.unvouched());
        assert_eq!(taken.entries, 0, "though they are the account's own");
        let is_refused =
            |outcome: &Outcome| matches!(outcome, Outcome::Refused { code, .. } if *code == FateCode::AUTHORITY);
        assert!(
            !taken.left_out.is_empty() && taken.left_out.iter().all(|(_, outcome)| is_refused(outcome)),
            "{taken:?}"
        );
        assert_eq!(take(restored.run()).entries, 4);
    });
}

#[test]
fn a_document_that_is_held_takes_back_what_the_log_vouches_for_and_nothing_else() {
    on_each_shell_restored(|restored| {
        wait(restored.relay.storage.hold(restored.ada.space, DOCUMENT, "the check failed at 2")).unwrap();
        let taken = restored.take(restored.unvouched());
        assert_eq!(taken.entries, 0);
        let is_held = |(_, outcome): &(_, Outcome)| matches!(outcome, Outcome::Parked { code, .. } if *code == HELD);
        assert!(taken.left_out.iter().any(is_held), "{taken:?}");
        assert_eq!(restored.take(restored.run()).entries, 4);
        assert_eq!(restored.log(), restored.delivered);
    });
}

#[test]
fn what_somebody_deleted_who_did_not_know_it_is_taken_back_and_the_document_stays_deleted() {
    on_each_shell_restored(|restored| {
        let (relay, ada) = (&restored.relay, &restored.ada);
        let is_deleted =
            |outcome: &Outcome| matches!(outcome, Outcome::Parked { code, .. } if *code == FateCode::DELETED);
        relay.append(ada.tombstone(DOCUMENT, 7, &restored.author.heads));
        let taken = restored.take(restored.unvouched());
        assert!(taken.entries == 0 && taken.left_out.iter().any(|(_, outcome)| is_deleted(outcome)), "{taken:?}");
        let taken = restored.take(restored.run());
        assert_eq!((taken.entries, taken.epoch, taken.left_out), (4, TakenEpoch::New, vec![]));
        assert_eq!(restored.log()[3..], restored.delivered[2..]);
        assert!(is_deleted(&relay.append(ada.request(DOCUMENT, vec![batch(&restored.latest.clone().edits(1))]))[0]));
        relay.append(ada.restore(DOCUMENT, 8));
        relay.appended(ada, DOCUMENT, &restored.latest.clone().edits(1));
    });
}

fn on_each_shell_restored(check: impl Fn(Restored)) {
    for shell in [Shell::Inline, crate::world::THREADS] {
        check(Restored::new(shell));
    }
}

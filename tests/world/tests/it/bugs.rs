//! A simulation that finds nothing may be blind. So mistakes are planted, one at a time, and each must be found.

use simulated_world::run::{self, AfterFailure, Range};
use sync_wire::planted::Bug;

/// Within so many seeds.
const SEEDS_MAX: u64 = 2000;

/// Where the search for a bug begins that one world in some hundreds or two thousand shows, because a search that runs
/// through as many takes minutes. Whether the next two thousand have such a world is a matter of luck, which every
/// change of a delay draws anew.
const RARE_FROM: [(Bug, u64); 5] = [
    (Bug::StoredBeforeCommit, 600),
    (Bug::DependantsLeft, 350),
    (Bug::ReceiptBelieved, 500),
    (Bug::LostStaysAccepted, 9_000),
    (Bug::PendingOnVoidLeft, 1_450),
];

#[track_caller]
fn check_is_found(bug: Bug) {
    let from = RARE_FROM.iter().find(|(rare, _)| *rare == bug).map_or(0, |(_, from)| *from);
    let range = Range { from, seeds: SEEDS_MAX, after_failure: AfterFailure::Stop };
    let summary = run::range(range, Some(bug)).unwrap();
    let found = summary.failures.first_key_value();
    let (seed, failure) = found.unwrap_or_else(|| panic!("{bug:?} was not found in {SEEDS_MAX} seeds"));
    println!("{bug:?} was found by seed {seed}, the {}th: {failure}", summary.ran);
}

#[test]
fn an_ack_before_the_commit_is_found() {
    check_is_found(Bug::AckBeforeCommit);
}

#[test]
fn a_cursor_moved_by_an_ack_is_found() {
    check_is_found(Bug::CursorMovedByAck);
}

#[test]
fn a_lost_hint_without_a_poll_is_found() {
    check_is_found(Bug::HintLostWithoutPoll);
}

#[test]
fn a_batch_that_is_half_appended_is_found() {
    check_is_found(Bug::BatchHalfAppended);
}

#[test]
fn a_seed_that_is_not_deterministic_is_found() {
    check_is_found(Bug::SeedNotDeterministic);
}

#[test]
fn a_tail_that_is_used_with_a_gap_is_found() {
    check_is_found(Bug::TailUsedWithGap);
}

#[test]
fn an_outbox_that_is_forgotten_after_the_login_is_found() {
    check_is_found(Bug::OutboxForgottenAfterLogin);
}

#[test]
fn a_duplicate_that_is_applied_twice_is_found() {
    check_is_found(Bug::DuplicateAppliedTwice);
}

#[test]
fn a_credit_that_leaks_is_found() {
    check_is_found(Bug::CreditLeaked);
}

#[test]
fn a_resume_point_outside_the_transaction_is_found() {
    check_is_found(Bug::ResumePointOutsideTransaction);
}

#[test]
fn a_broken_codec_is_found() {
    check_is_found(Bug::BrokenCodec);
}

#[test]
fn an_equivocation_that_is_acked_is_found() {
    check_is_found(Bug::EquivocationAcked);
}

#[test]
fn an_orphan_that_is_stored_is_found() {
    check_is_found(Bug::OrphanStored);
}

#[test]
fn a_change_that_is_not_checked_before_others_get_it_is_found() {
    check_is_found(Bug::UncheckedInTeam);
}

#[test]
fn own_entries_that_come_without_bytes_are_found() {
    check_is_found(Bug::OwnEntriesWithoutBytes);
}

#[test]
fn a_batch_that_is_called_stored_before_the_commit_is_found() {
    check_is_found(Bug::StoredBeforeCommit);
}

#[test]
fn dependants_of_a_refused_batch_that_stay_in_the_intake_are_found() {
    check_is_found(Bug::DependantsStay);
}

#[test]
fn damage_that_is_believed_is_found() {
    check_is_found(Bug::DamageBelieved);
}

#[test]
fn a_repair_that_loses_what_rested_on_the_excluded_change_is_found() {
    check_is_found(Bug::VoidWithoutReplacements);
}

#[test]
fn a_replacement_under_a_name_that_only_its_maker_knows_is_found() {
    check_is_found(Bug::ReplacementActorRandom);
}

#[test]
fn dependants_that_are_left_as_they_are_are_found() {
    check_is_found(Bug::DependantsLeft);
}

#[test]
fn a_contested_deletion_that_is_applied_is_found() {
    check_is_found(Bug::ContestedDeletionApplied);
}

#[test]
fn a_restored_relay_that_asks_for_nothing_is_found() {
    check_is_found(Bug::NothingAskedBack);
}

#[test]
fn a_receipt_that_is_believed_is_found() {
    check_is_found(Bug::ReceiptBelieved);
}

#[test]
fn what_stays_accepted_though_its_place_is_lost_is_found() {
    check_is_found(Bug::LostStaysAccepted);
}

#[test]
fn a_replaced_batch_that_is_pushed_again_is_found() {
    check_is_found(Bug::ReplacedPushedAgain);
}

#[test]
fn what_is_pending_on_excluded_changes_and_left_as_it_is_is_found() {
    check_is_found(Bug::PendingOnVoidLeft);
}

#[test]
fn a_skipped_batch_that_comes_back_without_bytes_is_found() {
    check_is_found(Bug::SkippedCountsAsOwn);
}

#[test]
fn what_a_revoked_device_had_yet_to_push_and_nobody_may_is_found() {
    check_is_found(Bug::NamesEndWithDevice);
}

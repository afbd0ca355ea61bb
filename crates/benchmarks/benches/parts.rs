//! The parts of the hot paths, one by one: `cargo xtask bench --parts`. Names say what one iteration does.

#[path = "fixtures/parts.rs"]
mod fixtures;
#[path = "fixtures/finding.rs"]
mod finding;

use divan::{Bencher, black_box};
use document::{Change, Header};
use editor_vault::Vault;
use fixtures::*;
use schemas::settings::Layer;
use sync_wire::{decode_device_frame, decode_relay_frame, encode_device_frame, encode_relay_frame};

fn main() {
    divan::main();
}

#[divan::bench]
fn header_parse(bencher: Bencher<'_, '_>) {
    let change = note(3).1.remove(2).bytes;
    bencher.bench(|| Header::parse(black_box(&change)));
}

#[divan::bench]
fn change_parse(bencher: Bencher<'_, '_>) {
    let change = note(3).1.remove(2).bytes;
    bencher.bench(|| Change::parse(black_box(change.clone())));
}

#[divan::bench(args = [1, 16, 64])]
fn push_encode(bencher: Bencher<'_, '_>, changes: usize) {
    let push = push(changes);
    bencher.bench(|| encode_device_frame(black_box(&push)));
}

#[divan::bench(args = [1, 16, 64])]
fn push_decode(bencher: Bencher<'_, '_>, changes: usize) {
    let bytes = encode_device_frame(&push(changes));
    bencher.bench(|| decode_device_frame(black_box(&bytes)));
}

#[divan::bench]
fn ack_encode(bencher: Bencher<'_, '_>) {
    let ack = ack();
    bencher.bench(|| encode_relay_frame(black_box(&ack)));
}

#[divan::bench]
fn ack_decode(bencher: Bencher<'_, '_>) {
    let bytes = encode_relay_frame(&ack());
    bencher.bench(|| decode_relay_frame(black_box(&bytes)));
}

#[divan::bench]
fn session_push_append_ack(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(|| (session(), push(1))).bench_values(session_step);
}

#[divan::bench]
fn client_save_push_ack(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(|| (client(), push(1))).bench_values(client_step);
}

/// Batches in one commit, the flush of the disk included.
#[divan::bench(args = [1, 16, 256], sample_count = 20, sample_size = 1)]
fn storage_append_batches_of_16(bencher: Bencher<'_, '_>, batches: usize) {
    let mut log = Log::new(batches * 16 * 22);
    bencher.bench_local(|| log.append(batches, 16));
}

#[divan::bench]
fn storage_judge_a_batch_that_needs_others(bencher: Bencher<'_, '_>) {
    let mut log = Log::new(10);
    bencher.bench_local(|| log.judge());
}

#[divan::bench(args = [100, 10_000])]
fn document_edit_and_seal(bencher: Bencher<'_, '_>, letters: usize) {
    let mut note = note(letters).0;
    bencher.bench_local(|| {
        type_one(&mut note, letters / 2);
        note.seal(0)
    });
}

#[divan::bench(args = [100, 10_000], sample_count = 20, sample_size = 1)]
fn document_apply_16_remote(bencher: Bencher<'_, '_>, letters: usize) {
    let note = note(letters).0;
    let changes = remote(&note, 16);
    bencher.with_inputs(|| note.clone()).bench_local_refs(|note| note.apply(&changes).map(|applied| applied.new));
}

#[divan::bench]
fn document_get(bencher: Bencher<'_, '_>) {
    let note = note(100).0;
    bencher.bench_local(|| note.get(black_box("/name")));
}

#[divan::bench]
fn vault_get_warm(bencher: Bencher<'_, '_>) {
    let directory = tempfile::tempdir().unwrap();
    let vault = Vault::open(directory.path()).unwrap();
    let settings = vault.well_known("settings").unwrap();
    settings.edit(|draft| draft.put("/base/editor.tabSize", 4.into())).unwrap();
    bencher.bench_local(|| settings.get(black_box("/base/editor.tabSize")).unwrap());
}

/// Fifty of 10,000 notes by their names; the goal is 2 ms.
#[divan::bench]
fn relay_find_by_name_of_10_000(bencher: Bencher<'_, '_>) {
    let (relay, query) = (finding::relay(), finding::by_name());
    bencher.bench_local(|| relay.find(&query));
}

/// Fifty of a hundred that have two words, of 10,000, with a piece of text each; the goal is 10 ms.
#[divan::bench]
fn relay_find_by_words_of_10_000(bencher: Bencher<'_, '_>) {
    let (relay, query) = (finding::relay(), finding::by_words());
    bencher.bench_local(|| relay.find(&query));
}

/// One of 10,000 notes is taken in and found again, the flush of the disk included; the goal without it is 1 ms.
#[divan::bench(sample_count = 100, sample_size = 1)]
fn relay_live_query_after_an_edit_of_10_000(bencher: Bencher<'_, '_>) {
    let relay = std::cell::RefCell::new(finding::relay());
    let edited = || {
        let turn = relay.borrow().turn();
        relay.borrow_mut().edit();
        turn
    };
    bencher.with_inputs(edited).bench_local_values(|turn| relay.borrow().follow(turn));
}

#[divan::bench]
fn vault_find_by_name_of_10_000(bencher: Bencher<'_, '_>) {
    let (vault, query) = (finding::vault(), finding::by_name());
    bencher.bench_local(|| vault.query(&query).unwrap().found.len());
}

#[divan::bench]
fn vault_find_by_words_of_10_000(bencher: Bencher<'_, '_>) {
    let (vault, query) = (finding::vault(), finding::by_words());
    bencher.bench_local(|| vault.query(&query).unwrap().found.len());
}

/// Waits for the disk.
#[divan::bench(sample_count = 100, sample_size = 1)]
fn vault_live_query_after_an_edit_of_10_000(bencher: Bencher<'_, '_>) {
    let vault = finding::vault();
    let live = std::cell::RefCell::new(vault.watch_query(&finding::by_name()).unwrap());
    let note = vault.find("2026-05000").unwrap();
    let mut number = 0;
    let edited = || {
        number += 1;
        note.edit(|draft| draft.put("/name", format!("2026-05000 {number}").into())).unwrap();
    };
    bencher.with_inputs(edited).bench_local_values(|()| live.borrow_mut().refresh().unwrap());
}

/// Waits for the disk.
#[divan::bench(sample_count = 100, sample_size = 1)]
fn vault_edit_saved(bencher: Bencher<'_, '_>) {
    let directory = tempfile::tempdir().unwrap();
    let vault = Vault::open(directory.path()).unwrap();
    let settings = vault.well_known("settings").unwrap();
    let mut number = 0;
    bencher.bench_local(|| {
        number += 1;
        settings.edit(|draft| draft.put("/base/editor.tabSize", number.into())).unwrap();
    });
}

#[divan::bench]
fn settings_file_import(bencher: Bencher<'_, '_>) {
    let (file, layer) = (settings_file(), Layer::parse("base").unwrap());
    let empty = document::Document::new(Some("settings")).value();
    bencher.bench(|| schemas::layout::import(&layer, black_box(&empty), black_box(&file)).map(|(intents, _)| intents));
}

#[divan::bench]
fn settings_file_export(bencher: Bencher<'_, '_>) {
    let (file, layer) = (settings_file(), Layer::parse("base").unwrap());
    let value = settings_value(&file);
    assert_eq!(schemas::layout::export(&layer, &value), file, "what is measured must be right");
    bencher.bench(|| schemas::layout::export(&layer, black_box(&value)));
}

/// One change among 300 keys; the goal is 200 µs.
#[divan::bench]
fn settings_plan_one_of_300_keys(bencher: Bencher<'_, '_>) {
    let (stored, wanted) = settings_of_300_keys();
    let settings = schemas::Registry::builtin().get("settings").unwrap();
    bencher.bench(|| settings.plan(black_box(&stored), black_box(&wanted)));
}

/// All of the rules of 300 keys; the goal is 100 µs.
#[divan::bench]
fn settings_check_300_keys(bencher: Bencher<'_, '_>) {
    let (_, wanted) = settings_of_300_keys();
    let settings = schemas::Registry::builtin().get("settings").unwrap();
    bencher.bench(|| settings.check(black_box(&wanted)));
}

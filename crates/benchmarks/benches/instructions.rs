//! Instruction counts of the parts, under valgrind: the same on a busy machine as on a quiet one.
//! `cargo xtask bench --instructions` compares them with those of the run before.

#[path = "fixtures/parts.rs"]
mod fixtures;

use std::hint::black_box;

use document::{Change, Document, Header};
use fixtures::*;
use gungraun::{library_benchmark, library_benchmark_group, main};
use schemas::settings::Layer;
use sync_core::client::Client;
use sync_core::session::Session;
use sync_wire::{Blob, DeviceFrame, decode_device_frame, encode_device_frame};

fn one_change() -> Blob {
    note(3).1.remove(2).bytes
}

fn encoded(changes: usize) -> Vec<u8> {
    encode_device_frame(&push(changes))
}

fn open_session() -> (Session, DeviceFrame) {
    (session(), push(1))
}

fn online_client() -> (Client, DeviceFrame) {
    (client(), push(1))
}

fn remote_changes() -> (Document, Vec<Blob>) {
    let note = note(1_000).0;
    let changes = remote(&note, 16);
    (note, changes)
}

#[library_benchmark]
#[bench::one(one_change())]
fn header_parse(change: Blob) -> bool {
    black_box(Header::parse(black_box(&change))).is_ok()
}

#[library_benchmark]
#[bench::one(one_change())]
fn change_parse(change: Blob) -> bool {
    black_box(Change::parse(black_box(change))).is_ok()
}

#[library_benchmark]
#[bench::of_16(push(16))]
fn push_encode(push: DeviceFrame) -> Vec<u8> {
    encode_device_frame(black_box(&push))
}

#[library_benchmark]
#[bench::of_16(encoded(16))]
fn push_decode(bytes: Vec<u8>) -> bool {
    black_box(decode_device_frame(black_box(&bytes))).is_ok()
}

#[library_benchmark]
#[bench::one(open_session())]
fn session_push_append_ack(input: (Session, DeviceFrame)) -> usize {
    black_box(session_step(input))
}

#[library_benchmark]
#[bench::one(online_client())]
fn client_save_push_ack(input: (Client, DeviceFrame)) -> usize {
    black_box(client_step(input))
}

#[library_benchmark]
#[bench::sixteen_of_16(Log::new(600))]
fn storage_append(mut log: Log) -> usize {
    black_box(log.append(16, 16)).len()
}

#[library_benchmark]
#[bench::an_orphan(Log::new(10))]
fn storage_judge(mut log: Log) -> usize {
    black_box(log.judge()).len()
}

#[library_benchmark]
#[bench::of_1000_letters(note(1_000).0)]
fn document_edit_and_seal(mut note: Document) -> bool {
    type_one(&mut note, 500);
    black_box(note.seal(0)).is_ok()
}

#[library_benchmark]
#[bench::sixteen(remote_changes())]
fn document_apply((mut note, changes): (Document, Vec<Blob>)) -> bool {
    black_box(note.apply(&changes)).is_ok()
}

#[library_benchmark]
#[bench::ours(settings_value(&settings_file()))]
fn settings_file_export(value: serde_json::Value) -> usize {
    black_box(schemas::layout::export(&Layer::parse("base").unwrap(), black_box(&value))).len()
}

library_benchmark_group!(
    name = parts,
    benchmarks = [
        header_parse,
        change_parse,
        push_encode,
        push_decode,
        session_push_append_ack,
        client_save_push_ack,
        storage_append,
        storage_judge,
        document_edit_and_seal,
        document_apply,
        settings_file_export
    ]
);

main!(library_benchmark_groups = parts);

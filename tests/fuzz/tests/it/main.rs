//! What fuzzers begin with, and what they found: each input again, with the promises that hold whatever the bytes are.

use std::path::Path;

use fuzz_targets::TARGETS;

/// Every input of a target: what it is made of, and what is kept in its corpus.
fn replay(name: &str) {
    document::quiet_panics();
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let files = std::fs::read_dir(&corpus).expect("each target has a corpus").map(|entry| entry.unwrap().path());
    let kept: Vec<_> = files.map(|file| std::fs::read(file).unwrap()).collect();
    assert!(!kept.is_empty(), "{} is empty", corpus.display());
    for input in (target.seeds)().iter().chain(&kept) {
        (target.run)(input);
    }
}

#[test]
fn what_is_known_of_headers_holds() {
    replay("header");
}

#[test]
fn what_is_known_of_frames_holds() {
    replay("frames");
}

#[test]
fn what_is_known_of_http_holds() {
    replay("http");
}

#[test]
fn what_is_known_of_admission_holds() {
    replay("admission");
}

#[test]
fn what_is_known_of_settings_files_holds() {
    replay("jsonc");
}

#[test]
fn every_corpus_has_a_target() {
    let corpora = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")).unwrap();
    let mut names: Vec<_> = corpora.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let mut targets: Vec<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    names.sort_unstable();
    targets.sort_unstable();
    assert_eq!(names, targets);
}

//! How files begin, what they must not contain, and what they may be called.

use super::Fault;
use super::tree::{File, Tree};

/// Written apart, so that this file does not accuse itself.
const UNFINISHED: [&str; 5] = [
    concat!("to", "do!"),
    concat!("unimpl", "emented!"),
    concat!("#[", "ignore"),
    concat!("db", "g!("),
    concat!("FIX", "ME"),
];
/// Directories of one machine.
const MACHINE_PATHS: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
/// Names that say nothing.
const EMPTY_NAMES: [&str; 6] = ["util", "utils", "helper", "helpers", "common", "misc"];
/// Past this many lines, look for the second idea.
const LINES_WANTED: usize = 500;
const LINE_CHARS_MAX: usize = 120;

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.files() {
        forbidden(file, &MACHINE_PATHS, "a path of one machine", &mut faults);
        if file.path.ends_with(".rs") {
            opening(file, &mut faults);
            name(file, &mut faults);
            forbidden(file, &UNFINISHED, "unfinished work", &mut faults);
            long_lines(file, &mut faults);
        }
    }
    faults
}

/// Not faults, but worth a look.
pub(super) fn long_files(tree: &Tree) -> Vec<String> {
    let long = tree.rust().filter(|file| file.text.lines().count() > LINES_WANTED);
    long.map(|file| format!("{}: {} lines; is there a second idea in it?", file.path, file.text.lines().count()))
        .collect()
}

fn opening(file: &File, faults: &mut Vec<Fault>) {
    let first = file.text.lines().next().unwrap_or_default();
    if first.strip_prefix("//!").is_none_or(|rest| rest.trim().is_empty()) {
        faults.push(Fault::new(&file.path, 1, "begins without `//!` saying what the file is for"));
    }
}

fn name(file: &File, faults: &mut Vec<Fault>) {
    let stem = file.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
    if EMPTY_NAMES.contains(&stem) {
        faults.push(Fault::new(
            &file.path,
            1,
            format!("a file called `{stem}` has no idea of its own; name it or move it"),
        ));
    }
    let inside = file.path.rsplit('/').nth(1).unwrap_or_default();
    if inside == stem && stem != "main" {
        faults.push(Fault::new(
            &file.path,
            1,
            format!("`{stem}/{stem}.rs` repeats itself; use `{stem}.rs` beside `{stem}/`"),
        ));
    }
}

fn forbidden(file: &File, words: &[&str], what: &str, faults: &mut Vec<Fault>) {
    for (number, line) in file.lines() {
        for word in words.iter().filter(|word| line.contains(**word)) {
            faults.push(Fault::new(&file.path, number, format!("`{word}`: {what}")));
        }
    }
}

fn long_lines(file: &File, faults: &mut Vec<Fault>) {
    for (number, line) in file.lines() {
        let chars = line.chars().count();
        if chars > LINE_CHARS_MAX && !line.contains('"') {
            faults.push(Fault::new(&file.path, number, format!("{chars} characters; at most {LINE_CHARS_MAX}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The one rule that `text` at `path` breaks.
    fn broken(path: &str, text: &str) -> String {
        let faults = check(&Tree::of(&[(path, text)]));
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults[0].to_string()
    }

    #[test]
    fn every_rule_can_fail() {
        assert!(check(&Tree::of(&[("a/src/lib.rs", "//! Keeps a promise.\nfn main() {}\n")])).is_empty());
        assert!(broken("a.rs", "fn main() {}").contains("without `//!`"));
        assert!(broken("a.rs", "//!\nfn main() {}").contains("without `//!`"));
        assert!(broken("a/util.rs", "//! x").contains("`util`"));
        assert!(broken("a/log/log.rs", "//! x").contains("repeats itself"));
        assert!(broken("a.rs", &format!("//! x\n{}\n", "é".repeat(121))).contains("121 characters"));
        for word in UNFINISHED {
            assert!(broken("a.rs", &format!("//! x\n{word}\n")).starts_with("a.rs:2: "), "{word}");
        }
        for path in MACHINE_PATHS {
            assert!(broken("docs/a.md", &format!("see {path}x")).contains("one machine"));
        }
    }

    #[test]
    fn long_files_are_warned_about() {
        assert_eq!(long_files(&Tree::of(&[("a.rs", &"//\n".repeat(501)), ("b.rs", "//! x")])).len(), 1);
    }
}

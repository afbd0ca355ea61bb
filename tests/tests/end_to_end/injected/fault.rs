//! One system call that fails, and how `strace` is told to make it fail.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Every call that changes a file, or lets one be changed. Which of them there are depends on the processor.
const CALLS: [&str; 12] = [
    "open",
    "openat",
    "write",
    "pwrite64",
    "fsync",
    "fdatasync",
    "ftruncate",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
];

/// A call of a program that fails.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) call: &'static str,
    pub(super) error: &'static str,
    /// Which of them: `strace` counts those of each thread.
    pub(super) number: u64,
    pub(super) lasts: Lasts,
}

/// For how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasts {
    Once,
    FromThenOn,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { call, error, number, lasts } = self;
        let plus = if *lasts == Lasts::FromThenOn { "+" } else { "" };
        write!(f, "{call} {number}{plus} {error}")
    }
}

impl Fault {
    /// What begins the command line of a program to which it happens, where it does something to one of `files`.
    pub(super) fn strace(&self, log: &Path, files: &[PathBuf]) -> Vec<OsString> {
        let Self { call, error, number, lasts } = self;
        let plus = if *lasts == Lasts::FromThenOn { "+" } else { "" };
        let mut line = begin(log, call);
        line.extend(["-e".into(), format!("inject={call}:error={error}:when={number}{plus}").into()]);
        line.extend(files.iter().flat_map(|file| ["-P".into(), file.clone().into_os_string()]));
        line
    }
}

/// What begins the command line of a program whose calls are only written down.
pub(super) fn only_watched(log: &Path) -> Vec<OsString> {
    let mut line = begin(log, &CALLS.map(|call| format!("?{call}")).join(","));
    line.push("-y".into());
    line
}

/// The tracer is a grandchild (`-D`): whoever waits for the program waits for itself, and signals reach it.
fn begin(log: &Path, calls: &str) -> Vec<OsString> {
    let mut line: Vec<OsString> = ["strace", "-D", "-f", "--seccomp-bpf", "-o"].map(OsString::from).to_vec();
    line.extend([log.as_os_str().to_owned(), "-e".into(), format!("trace={calls}").into()]);
    line
}

/// What a program did to files below a directory.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Below the directory.
    pub(super) files: Vec<PathBuf>,
    /// How many calls of each kind the thread made that made most of them.
    calls: BTreeMap<&'static str, u64>,
}

impl Watched {
    /// Reads what [`only_watched`] wrote.
    pub(super) fn read(log: &str, directory: &Path) -> Self {
        let directory = escaped(directory.as_os_str());
        let mut watched = Self::default();
        let mut threads: BTreeMap<(&str, &'static str), u64> = BTreeMap::new();
        for line in log.lines() {
            let Some((thread, rest)) = line.split_once(' ') else { continue };
            let Some((call, arguments)) = rest.trim_start().split_once('(') else { continue };
            let Some(call) = CALLS.into_iter().find(|known| *known == call) else { continue };
            let files = arguments.split(&directory).skip(1).filter_map(|rest| rest.split(['"', '>']).next());
            let files: Vec<PathBuf> = files.map(|file| PathBuf::from(file.trim_start_matches('/'))).collect();
            if files.is_empty() {
                continue;
            }
            *threads.entry((thread, call)).or_default() += 1;
            watched.files.extend(files);
        }
        watched.files.sort();
        watched.files.dedup();
        for ((_, call), count) in threads {
            let most = watched.calls.entry(call).or_default();
            *most = count.max(*most);
        }
        watched
    }

    /// Every single fault that can happen to it.
    pub(super) fn faults(&self) -> impl Iterator<Item = Fault> {
        let numbered = self.calls.iter().flat_map(|(call, count)| (1..=*count).map(move |number| (*call, number)));
        numbered.flat_map(|(call, number)| {
            let errors = ["EIO", "ENOSPC"].into_iter();
            errors.flat_map(move |error| {
                [Lasts::Once, Lasts::FromThenOn].map(|lasts| Fault { call, error, number, lasts })
            })
        })
    }
}

/// A path as `strace` writes it.
fn escaped(path: &OsStr) -> String {
    let mut text = String::new();
    for byte in path.as_bytes() {
        // Writing to a string cannot fail.
        let _ = if byte.is_ascii_graphic() || *byte == b' ' {
            write!(text, "{}", char::from(*byte))
        } else {
            write!(text, "\\{byte:03o}")
        };
    }
    text
}

#[test]
fn calls_are_counted_by_thread_and_only_below_the_directory() {
    let log = r#"
10 openat(AT_FDCWD</tmp>, "/a f\303\274r/vault.sqlite", O_RDWR) = 3</a f\303\274r/vault.sqlite>
10 pwrite64(3</a f\303\274r/vault.sqlite>, "x"..., 1, 0) = 1
11 pwrite64(3</a f\303\274r/vault.sqlite>, "x"..., 1, 0) = 1
11 pwrite64(4</a f\303\274r/vault.sqlite-wal>, "x"..., 1, 0) = 1
11 pwrite64(5</elsewhere>, "x"..., 1, 0) = 1
11 +++ exited with 0 +++"#;
    let watched = Watched::read(log, Path::new("/a für"));
    assert_eq!(watched.files, [PathBuf::from("vault.sqlite"), PathBuf::from("vault.sqlite-wal")]);
    assert_eq!(watched.calls, BTreeMap::from([("openat", 1), ("pwrite64", 2)]));
    let shown: Vec<String> = watched.faults().map(|fault| fault.to_string()).collect();
    assert_eq!(shown[..5], ["openat 1 EIO", "openat 1+ EIO", "openat 1 ENOSPC", "openat 1+ ENOSPC", "pwrite64 1 EIO"]);
    assert_eq!(shown.len(), 12);
}

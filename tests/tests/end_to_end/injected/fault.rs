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

/// In the name of a file: the number of the process that made it.
const PROCESS: &str = "{process}";
/// In the name of a file: the second of the wall clock in which it was made.
const SECOND: &str = "{second}";
/// A program has made such a file by then, counted from its start.
const SECONDS: u64 = 30;
/// Becomes the program that its arguments say, with its own number, which that keeps, where they end in [`PROCESS`].
const BECOME: &str = r#"for argument do
    shift
    case $argument in *'{process}') argument=${argument%'{process}'}$$ ;; esac
    set -- "$@" "$argument"
done
exec "$@""#;

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
    /// What begins the command line of a program to which it happens, where it does something to one of the `files` of
    /// [`Watched`]. It starts now, at this second of the wall clock.
    pub(super) fn strace(&self, log: &Path, files: &[PathBuf], second: u64) -> Vec<OsString> {
        let Self { call, error, number, lasts } = self;
        let plus = if *lasts == Lasts::FromThenOn { "+" } else { "" };
        let mut line: Vec<OsString> = ["sh", "-c", BECOME, "sh"].map(OsString::from).to_vec();
        line.extend(begin(log, call));
        line.extend(["-e".into(), format!("inject={call}:error={error}:when={number}{plus}").into()]);
        let files = files.iter().flat_map(|file| names(file, second));
        line.extend(files.flat_map(|file| ["-P".into(), file.into_os_string()]));
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

/// What a file may be called by a program that starts at this second.
fn names(file: &Path, second: u64) -> Vec<PathBuf> {
    match file.to_str().and_then(|name| name.split_once(SECOND)) {
        None => vec![file.to_owned()],
        Some((before, after)) => {
            (second..second + SECONDS).map(|second| PathBuf::from(format!("{before}{second}{after}"))).collect()
        }
    }
}

/// The name of a file as another run may know it, with marks for what differs: a process that was this one, and the
/// time, which is now this second.
fn general(file: &str, process: &str, second: u64) -> PathBuf {
    if let Some(name) = file.strip_suffix(process).filter(|name| name.ends_with('.')) {
        return PathBuf::from(format!("{name}{PROCESS}"));
    }
    let is_recent = |number: &&str| number.parse().is_ok_and(|made: u64| made <= second && second - made < 3_600);
    match file.split(|sign: char| !sign.is_ascii_digit()).find(is_recent) {
        Some(made) => PathBuf::from(file.replacen(made, SECOND, 1)),
        None => PathBuf::from(file),
    }
}

/// What a program did to files below a directory.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Below the directory, with marks for what each run calls otherwise.
    pub(super) files: Vec<PathBuf>,
    /// How many calls of each kind the thread made that made most of them.
    calls: BTreeMap<&'static str, u64>,
}

impl Watched {
    /// Reads what [`only_watched`] wrote, a moment ago: now is this second of the wall clock.
    pub(super) fn read(log: &str, directory: &Path, second: u64) -> Self {
        let directory = escaped(directory.as_os_str());
        // The first to do anything is the thread that has the number of the process.
        let process = log.trim_start().split(' ').next().unwrap_or_default();
        let mut watched = Self::default();
        let mut threads: BTreeMap<(&str, &'static str), u64> = BTreeMap::new();
        for line in log.lines() {
            let Some((thread, rest)) = line.split_once(' ') else { continue };
            let Some((call, arguments)) = rest.trim_start().split_once('(') else { continue };
            let Some(call) = CALLS.into_iter().find(|known| *known == call) else { continue };
            let files = arguments.split(&directory).skip(1).filter_map(|rest| rest.split(['"', '>']).next());
            let files = files.map(|file| general(file.trim_start_matches('/'), process, second));
            // A program that cannot log what happened could not be told from one that has no word for it.
            let files: Vec<PathBuf> = files.filter(|file| file.extension() != Some(OsStr::new("log"))).collect();
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
    let watched = Watched::read(log, Path::new("/a für"), 0);
    assert_eq!(watched.files, [PathBuf::from("vault.sqlite"), PathBuf::from("vault.sqlite-wal")]);
    assert_eq!(watched.calls, BTreeMap::from([("openat", 1), ("pwrite64", 2)]));
    let shown: Vec<String> = watched.faults().map(|fault| fault.to_string()).collect();
    assert_eq!(shown[..5], ["openat 1 EIO", "openat 1+ EIO", "openat 1 ENOSPC", "openat 1+ ENOSPC", "pwrite64 1 EIO"]);
    assert_eq!(shown.len(), 12);
}

#[test]
fn a_file_that_every_run_names_for_its_process_or_for_the_time_is_found_in_each() {
    let log = r#"
10 openat(AT_FDCWD, "/d/.settings.json 0.10", O_WRONLY) = 3</d/.settings.json 0.10>
11 unlink("/d/points/.before-1796139415.sqlite.partial-wal") = -1 ENOENT (No such file or directory)"#;
    let watched = Watched::read(log, Path::new("/d"), 1_796_139_420);
    let files = [".settings.json 0.{process}", "points/.before-{second}.sqlite.partial-wal"].map(PathBuf::from);
    assert_eq!(watched.files, files);

    let fault = Fault { call: "unlink", error: "EIO", number: 1, lasts: Lasts::Once };
    let line = fault.strace(Path::new("log"), &files, 1_796_140_000);
    let names: Vec<&str> = line.windows(2).filter(|pair| pair[0] == "-P").filter_map(|pair| pair[1].to_str()).collect();
    assert_eq!(names[..2], [".settings.json 0.{process}", "points/.before-1796140000.sqlite.partial-wal"]);
    assert_eq!(names.last(), Some(&"points/.before-1796140029.sqlite.partial-wal"));

    let shell = line[..4].iter().cloned();
    let mut told = std::process::Command::new("sh");
    told.args(shell.skip(1)).args(["sh", "-c", r#"test "$0" = ".settings.json 0.$$" && test "$1" = "a b""#]);
    told.args([".settings.json 0.{process}", "a b"]);
    assert!(told.status().expect("a shell").success());
}

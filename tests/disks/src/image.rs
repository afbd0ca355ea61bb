//! The files of a directory as a crash may leave them.
//!
//! A recording is cut somewhere. What was flushed by then is there. Of everything else each sector is on the disk as it
//! was at some moment since the last flush of its file, whatever became of the others; the length of each file and what
//! each name means are those of moments of their own. A file that grew without its content has zeros there, or what the
//! disk held before.

use std::collections::BTreeMap;

use simulated_world::rng::Rng;

use crate::tape::{FileId, Op};

/// Files by name.
pub type Image = BTreeMap<String, Vec<u8>>;

/// What becomes of what was not flushed.
#[derive(Debug, Clone)]
pub enum Luck {
    /// It is gone.
    Nothing,
    /// It is there: the process ended, and not the machine.
    Everything,
    /// Some of it is there.
    Some {
        /// Decides.
        rng: Rng,
        /// How likely it is that the newest is there; else it is any moment.
        newest: f64,
        /// What fills a file that grew without its content.
        filling: Filling,
    },
}

/// What fills a file that grew without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filling {
    /// Zeros.
    Zeros,
    /// What the disk held before.
    Garbage,
}

impl Luck {
    /// One of so many moments, the oldest first.
    fn moment(&mut self, moments: usize) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Everything => moments - 1,
            Self::Some { rng, newest, .. } => {
                let is_newest = moments == 1 || rng.chance(*newest);
                if is_newest { moments - 1 } else { rng.index(moments) }
            }
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        if let Self::Some { rng, filling: Filling::Garbage, .. } = self {
            rng.fill(bytes);
        }
    }
}

/// What a crash after the first `cut` ops may leave, torn into sectors of so many bytes.
#[must_use]
pub fn after_crash(ops: &[Op], cut: usize, sector_bytes: usize, luck: &mut Luck) -> Image {
    let mut disk = Disk::default();
    for op in &ops[..cut] {
        disk.take(op);
    }
    disk.names
        .iter()
        .filter_map(|(name, meanings)| {
            let file = meanings[luck.moment(meanings.len())]?;
            let content = disk.files.get(&file).map(|file| file.after_crash(sector_bytes, luck));
            Some((name.clone(), content.unwrap_or_default()))
        })
        .collect()
}

/// What is on the disk for sure, and what may be.
#[derive(Default)]
struct Disk<'a> {
    /// What a name meant at the last flush of the directory, and what it came to mean since.
    names: BTreeMap<String, Vec<Option<FileId>>>,
    files: BTreeMap<FileId, File<'a>>,
}

impl<'a> Disk<'a> {
    fn take(&mut self, op: &'a Op) {
        match op {
            Op::Name { name, file } => self.mean(name, Some(*file)),
            Op::Unname { name } => self.mean(name, None),
            Op::Write { file, at, bytes } => self.pending(*file, Pending::Write { at: *at, bytes }),
            Op::Truncate { file, len } => self.pending(*file, Pending::Truncate { len: *len }),
            Op::Flush { file } => self.files.entry(*file).or_default().flush(),
            Op::FlushDirectory => {
                for meanings in self.names.values_mut() {
                    meanings.drain(..meanings.len() - 1);
                }
            }
        }
    }

    fn mean(&mut self, name: &str, meaning: Option<FileId>) {
        self.names.entry(name.to_owned()).or_insert_with(|| vec![None]).push(meaning);
    }

    fn pending(&mut self, file: FileId, pending: Pending<'a>) {
        self.files.entry(file).or_default().pending.push(pending);
    }
}

#[derive(Default)]
struct File<'a> {
    flushed: Vec<u8>,
    pending: Vec<Pending<'a>>,
}

/// What was not flushed yet.
#[derive(Clone, Copy)]
enum Pending<'a> {
    Write { at: usize, bytes: &'a [u8] },
    Truncate { len: usize },
}

impl Pending<'_> {
    fn apply(self, content: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => {
                let end = at + bytes.len();
                content.resize(content.len().max(end), 0);
                content[at..end].copy_from_slice(bytes);
            }
            Self::Truncate { len } => content.resize(len, 0),
        }
    }
}

/// What a sector held after one of the pending writes.
struct Version {
    after: usize,
    bytes: Vec<u8>,
}

impl File<'_> {
    fn flush(&mut self) {
        for pending in self.pending.drain(..) {
            pending.apply(&mut self.flushed);
        }
    }

    fn after_crash(&self, sector_bytes: usize, luck: &mut Luck) -> Vec<u8> {
        // The length is that of a moment, and so is whether what was cut off is gone: a truncation is one step.
        let moment = luck.moment(self.pending.len() + 1);
        let mut content = self.skeleton(moment, luck);
        for (sector, versions) in self.versions(sector_bytes) {
            let begin = sector * sector_bytes;
            let possible: Vec<_> = versions.iter().filter(|version| self.is_possible(version, begin, moment)).collect();
            let chosen = luck.moment(possible.len() + 1);
            let end = content.len().min(begin + sector_bytes);
            if chosen > 0 && begin < end {
                let bytes = &possible[chosen - 1].bytes;
                let held = bytes.len().min(end - begin);
                content[begin..begin + held].copy_from_slice(&bytes[..held]);
            }
        }
        content
    }

    /// What was flushed, as long as the file is after so many of the pending ops.
    fn skeleton(&self, moment: usize, luck: &mut Luck) -> Vec<u8> {
        let mut content = self.flushed.clone();
        for pending in &self.pending[..moment] {
            let len = match pending {
                Pending::Write { at, bytes } => content.len().max(at + bytes.len()),
                Pending::Truncate { len } => *len,
            };
            let before = content.len();
            content.resize(len, 0);
            if len > before {
                luck.fill(&mut content[before..]);
            }
        }
        content
    }

    /// Every sector that a pending write touches, with what it held after each.
    fn versions(&self, sector_bytes: usize) -> BTreeMap<usize, Vec<Version>> {
        let mut versions: BTreeMap<usize, Vec<Version>> = BTreeMap::new();
        let mut content = self.flushed.clone();
        for (after, pending) in self.pending.iter().enumerate() {
            pending.apply(&mut content);
            let Pending::Write { at, bytes } = pending else { continue };
            for sector in at / sector_bytes..(at + bytes.len()).div_ceil(sector_bytes) {
                let begin = sector * sector_bytes;
                let bytes = content[begin..content.len().min(begin + sector_bytes)].to_vec();
                versions.entry(sector).or_default().push(Version { after, bytes });
            }
        }
        versions
    }

    /// What was cut off is gone when the truncation reached the disk; until then what was written in its place
    /// afterwards is not to be seen.
    fn is_possible(&self, version: &Version, begin: usize, moment: usize) -> bool {
        let cuts = self.pending.iter().enumerate().filter(|(_, pending)| match pending {
            Pending::Truncate { len } => *len <= begin,
            Pending::Write { .. } => false,
        });
        cuts.into_iter().all(|(cut, _)| if cut < moment { version.after > cut } else { version.after < cut })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: FileId = FileId(0);

    fn written(at: usize, bytes: &[u8]) -> Op {
        Op::Write { file: FILE, at, bytes: bytes.to_vec() }
    }

    fn named() -> Op {
        Op::Name { name: "a".to_owned(), file: FILE }
    }

    /// Everything that chance makes of a recording.
    fn outcomes(ops: &[Op]) -> std::collections::BTreeSet<Option<Vec<u8>>> {
        (0..400)
            .map(|seed| {
                let mut luck = Luck::Some { rng: Rng::seeded(seed), newest: 0.5, filling: Filling::Zeros };
                after_crash(ops, ops.len(), 1, &mut luck).remove("a")
            })
            .collect()
    }

    #[test]
    fn what_was_flushed_is_there_and_of_the_rest_any_subset() {
        let ops = [named(), written(0, b"xy"), Op::Flush { file: FILE }, Op::FlushDirectory, written(0, b"XY")];
        let expected = [b"xy", b"Xy", b"xY", b"XY"].map(|bytes| Some(bytes.to_vec()));
        assert_eq!(outcomes(&ops), expected.into_iter().collect());
    }

    #[test]
    fn each_sector_is_as_it_was_at_some_moment() {
        let ops = [
            named(),
            written(0, b"0"),
            Op::Flush { file: FILE },
            Op::FlushDirectory,
            written(0, b"1"),
            written(0, b"2"),
        ];
        let expected = [b"0", b"1", b"2"].map(|bytes| Some(bytes.to_vec()));
        assert_eq!(outcomes(&ops), expected.into_iter().collect());
    }

    #[test]
    fn a_name_is_not_there_before_its_directory_is_flushed() {
        let ops = [named(), written(0, b"x"), Op::Flush { file: FILE }];
        assert_eq!(outcomes(&ops), [None, Some(b"x".to_vec())].into_iter().collect());
    }

    #[test]
    fn a_name_that_went_may_come_back_until_its_directory_is_flushed() {
        let mut ops = vec![named(), written(0, b"x"), Op::Flush { file: FILE }, Op::FlushDirectory];
        ops.push(Op::Unname { name: "a".to_owned() });
        assert_eq!(outcomes(&ops), [None, Some(b"x".to_vec())].into_iter().collect());
        ops.push(Op::FlushDirectory);
        assert_eq!(outcomes(&ops), [None].into_iter().collect());
    }

    #[test]
    fn a_file_grows_with_or_without_its_content() {
        let ops = [named(), Op::FlushDirectory, written(0, b"x")];
        assert_eq!(outcomes(&ops), [Some(vec![]), Some(vec![0]), Some(b"x".to_vec())].into_iter().collect());
    }

    #[test]
    fn a_truncation_is_there_or_not_and_never_half() {
        let flushed = [named(), written(0, b"xy"), Op::Flush { file: FILE }, Op::FlushDirectory];
        let then = [Op::Truncate { file: FILE, len: 0 }, written(0, b"Z")];
        let ops: Vec<_> = flushed.into_iter().chain(then).collect();
        let expected: [&[u8]; 4] = [b"xy", b"", b"\0", b"Z"];
        assert_eq!(outcomes(&ops), expected.into_iter().map(|bytes| Some(bytes.to_vec())).collect());
    }

    #[test]
    fn all_or_nothing_of_what_was_not_flushed() {
        let ops = [named(), Op::FlushDirectory, written(0, b"xy"), Op::Flush { file: FILE }, written(1, b"Yz")];
        let image = |mut luck: Luck| after_crash(&ops, ops.len(), 512, &mut luck).remove("a").unwrap();
        assert_eq!((image(Luck::Nothing), image(Luck::Everything)), (b"xy".to_vec(), b"xYz".to_vec()));
    }
}

//! How much can still be written, and a reserve for when nothing can.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Room on a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes that this account may still write.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

impl Room {
    /// Of the file system that a directory is on.
    ///
    /// # Errors
    /// What the system says.
    #[cfg(unix)]
    pub fn of(directory: &Path) -> io::Result<Self> {
        let found = rustix::fs::statvfs(directory)?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        Ok(Self { free: bytes(found.f_bavail), total: bytes(found.f_blocks) })
    }

    /// Unknown here, and taken for endless: a full disk is found by writing.
    ///
    /// # Errors
    /// None.
    #[cfg(not(unix))]
    pub fn of(_directory: &Path) -> io::Result<Self> {
        Ok(Self { free: u64::MAX, total: u64::MAX })
    }
}

/// Bytes that are held back by a file, and given up when the disk is full, so that what is under way can be ended.
///
/// The reserve is of all processes: whoever gives it up gives it up for all.
#[derive(Debug)]
pub struct Ballast {
    path: PathBuf,
    bytes: u64,
}

impl Ballast {
    /// A reserve of so many bytes in this file. Nothing is written yet.
    #[must_use]
    pub fn new(path: PathBuf, bytes: u64) -> Self {
        Self { path, bytes }
    }

    /// Makes the reserve if it is not there and the disk has plenty of room: it must not be what fills the disk.
    /// Whether it is there afterwards.
    ///
    /// # Errors
    /// What the system says; then there is none, which harms nobody until the disk is full.
    pub fn keep(&self, room: Room) -> io::Result<bool> {
        if fs::metadata(&self.path).is_ok_and(|found| found.len() >= self.bytes) {
            return Ok(true);
        }
        if room.free < self.bytes.saturating_mul(PLENTY) {
            return Ok(false);
        }
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&self.path)?;
        let kept = reserve(&file, self.bytes);
        if kept.is_err() {
            drop(file);
            fs::remove_file(&self.path)?;
        }
        kept.map(|()| true)
    }

    /// Gives the reserve up. Whether there was one.
    #[must_use]
    pub fn release(&self) -> bool {
        fs::remove_file(&self.path).is_ok()
    }
}

/// The disk has to have so many times the reserve.
const PLENTY: u64 = 16;

/// Real blocks, and not a hole that takes no room.
#[cfg(target_os = "linux")]
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::FallocateFlags;
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => fill(file, bytes),
        reserved => Ok(reserved?),
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    fill(file, bytes)
}

/// Not zeros: a file system may compress, or leave them out.
fn fill(mut file: &File, bytes: u64) -> io::Result<()> {
    use std::io::Write as _;
    let (mut block, mut word) = ([0_u8; 65_536], 0x9E37_79B9_7F4A_7C15_u64);
    for piece in block.chunks_exact_mut(8) {
        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        piece.copy_from_slice(&word.to_le_bytes());
    }
    let mut left = bytes;
    while left > 0 {
        let piece = left.min(block.len() as u64);
        file.write_all(&block[..piece as usize])?;
        left -= piece;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_made_once_takes_its_room_and_is_given_up_once() {
        let dir = tempfile::tempdir().unwrap();
        let ballast = Ballast::new(dir.path().join("ballast"), 1 << 20);
        let plenty = Room { free: 1 << 40, total: 1 << 40 };
        assert!(ballast.keep(plenty).unwrap() && ballast.keep(plenty).unwrap());
        let found = fs::metadata(dir.path().join("ballast")).unwrap();
        assert_eq!(found.len(), 1 << 20);
        #[cfg(unix)]
        assert!(std::os::unix::fs::MetadataExt::blocks(&found) * 512 >= 1 << 20, "it is a hole");
        assert!(ballast.release());
        assert!(!ballast.release(), "there is none any more");
    }

    #[test]
    fn a_disk_without_plenty_of_room_gets_no_reserve() {
        let dir = tempfile::tempdir().unwrap();
        let ballast = Ballast::new(dir.path().join("ballast"), 1 << 20);
        assert!(!ballast.keep(Room { free: (16 << 20) - 1, total: 1 << 40 }).unwrap());
        assert!(!ballast.release());
    }

    #[test]
    fn where_there_are_no_holes_the_reserve_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("ballast")).unwrap();
        fill(&file, 100_001).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 100_001);
    }

    #[cfg(unix)]
    #[test]
    fn a_directory_says_how_much_room_there_is() {
        let room = Room::of(&std::env::temp_dir()).unwrap();
        assert!(room.free > 0 && room.free <= room.total, "{room:?}");
    }
}

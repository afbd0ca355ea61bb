//! File systems on which a write-ahead log is not safe.

use std::fmt;
use std::path::Path;

/// A file system on which a write-ahead log is not safe. Displays its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remote {
    name: &'static str,
}

impl Remote {
    /// NFS, for tests of what happens there.
    pub const NFS: Self = Self { name: "NFS" };

    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Which one has this number in `statfs(2)`; `None` for all others.
    #[must_use]
    pub fn from_magic(magic: u32) -> Option<Self> {
        KNOWN.iter().find(|(known, _)| *known == magic).map(|(_, name)| Self { name })
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Numbers of `statfs(2)`, from the kernel's `magic.h` and from the file systems themselves.
const KNOWN: [(u32, &str); 18] = [
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFE53_4D42, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0x0102_1997, "9P (a shared folder of a virtual machine)"),
    (0x6573_5546, "FUSE (sshfs, virtiofs or another program)"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x00C3_6400, "Ceph"),
    (0x564C, "NCP"),
    (0x7375_7245, "Coda"),
    (0x786F_4256, "a shared folder of VirtualBox"),
    (0xBACB_ACBC, "a shared folder of VMware"),
    (0x7C7C_6673, "a shared folder of Parallels"),
    (0x7461_636F, "OCFS2"),
    (0x0116_1970, "GFS2"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
];

/// The file system of a directory, if a write-ahead log is not safe there. `None` too if it cannot be known: on systems
/// other than Linux, and for a path that is not there.
#[must_use]
pub fn remote(directory: &Path) -> Option<Remote> {
    Remote::from_magic(magic(directory)?)
}

#[cfg(target_os = "linux")]
fn magic(directory: &Path) -> Option<u32> {
    let found = rustix::fs::statfs(directory).ok()?;
    // Signed or not, and wider on some machines: the numbers have 32 bits.
    Some((i128::from(found.f_type) & 0xFFFF_FFFF) as u32)
}

#[cfg(not(target_os = "linux"))]
fn magic(_: &Path) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_and_those_of_programs_are_known_by_their_numbers() {
        for (magic, name) in [(0x6969, "NFS"), (0xFF53_4D42, "CIFS"), (0x0102_1997, "9P"), (0x6573_5546, "FUSE")] {
            let found = Remote::from_magic(magic).map(Remote::name);
            assert!(found.is_some_and(|found| found.starts_with(name)), "{magic:#x}: {found:?}");
        }
        // ext4, tmpfs, btrfs, XFS, overlay.
        for magic in [0xEF53, 0x0102_1994, 0x9123_683E, 0x5846_5342, 0x794C_7630] {
            assert_eq!(Remote::from_magic(magic), None, "{magic:#x}");
        }
    }

    #[test]
    fn what_is_not_there_is_on_no_remote_file_system() {
        assert_eq!(remote(Path::new("/no such directory")), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_is_local() {
        assert_eq!(remote(Path::new("/dev/shm")), None);
    }
}

//! The keys with which the relay vouches for a place in a log. They live beside the database, never in it, so that
//! a restored database cannot vouch for itself.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sync_wire::log::Receipt;
use sync_wire::{Chain, Epoch, Position, SpaceId};

use crate::options::{Random, random_bytes};

/// The relay's receipt keys: the last one signs, all of them verify.
#[derive(Clone)]
pub struct ReceiptKeys {
    current: Key,
    retired: Arc<[Key]>,
}

type Key = (u32, [u8; 32]);

impl fmt::Debug for ReceiptKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiptKeys").field("current", &self.current.0).finish_non_exhaustive()
    }
}

/// Why the receipt keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptKeysError {
    /// The file cannot be read or written.
    #[error("receipt keys {}: {source}; make the file and its directory accessible to the relay", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// The file is there and is not what this build writes.
    #[error("receipt keys {}: line {line} is not `ID HEX`; restore the file from a backup", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The first bad line, from 1.
        line: usize,
    },
}

impl ReceiptKeysError {
    /// The stable word for this failure.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "receipt_keys_io",
            Self::Malformed { .. } => "receipt_keys_malformed",
        }
    }
}

impl ReceiptKeys {
    /// One key, for tests and simulations.
    #[must_use]
    pub fn from_secret(id: u32, secret: [u8; 32]) -> Self {
        Self { current: (id, secret), retired: Arc::new([]) }
    }

    /// Reads the keys at `path`; if there is no such file, makes it (mode 0600) with one random key.
    ///
    /// Two processes may do so at once: both end up with the same key.
    ///
    /// # Errors
    /// [`ReceiptKeysError`], naming the file.
    pub fn load_or_create(path: &Path, random: &Random) -> Result<Self, ReceiptKeysError> {
        let failed = |source| ReceiptKeysError::Io { path: path.to_owned(), source };
        match fs::read_to_string(path) {
            Ok(text) => return Self::parse(path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path, random).map_err(failed)?,
            Err(error) => return Err(failed(error)),
        }
        Self::parse(path, &fs::read_to_string(path).map_err(failed)?)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ReceiptKeysError> {
        let malformed = |line| ReceiptKeysError::Malformed { path: path.to_owned(), line };
        let keys = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let keys = keys.map(|(at, line)| parse_key(line).ok_or_else(|| malformed(at + 1)));
        let mut keys = keys.collect::<Result<Vec<Key>, _>>()?;
        let current = keys.pop().ok_or_else(|| malformed(1))?;
        Ok(Self { current, retired: keys.into() })
    }

    /// The receipt for a place in a log.
    #[must_use]
    pub fn sign(&self, space: SpaceId, epoch: Epoch, position: Position, chain: &Chain) -> Receipt {
        let (id, secret) = &self.current;
        Receipt::sign(*id, secret, space, epoch, position, chain)
    }

    /// Whether one of these keys made `receipt` for that place.
    #[must_use]
    pub fn verifies(&self, receipt: &Receipt, space: SpaceId, epoch: Epoch, position: Position, chain: &Chain) -> bool {
        let mut keys = self.retired.iter().chain([&self.current]);
        keys.find(|(id, _)| *id == receipt.key)
            .is_some_and(|(_, secret)| receipt.verifies(secret, space, epoch, position, chain))
    }
}

fn parse_key(line: &str) -> Option<Key> {
    let (id, secret) = line.trim().split_once(' ')?;
    // A salt is 32 bytes in hexadecimal as well, so its parser serves.
    Some((id.parse().ok()?, secret.trim().parse::<sync_wire::Salt>().ok()?.0))
}

/// Writes the file whole, or leaves the one that another process made meanwhile.
fn create(path: &Path, random: &Random) -> io::Result<()> {
    let secret = sync_wire::Salt(random_bytes(random));
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unique = u64::from_le_bytes(random_bytes(random));
    let draft = directory.join(format!(".receipt-keys-{unique:016x}"));
    let written = write_private(&draft, format!("1 {secret}\n").as_bytes());
    let linked = written.and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    let removed = fs::remove_file(&draft);
    linked.and(removed)?;
    sync_directory(directory)
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a new name durable. Windows has no such call and needs none.
fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(directory)?.sync_all() } else { Ok(()) }
}

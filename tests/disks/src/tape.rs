//! What was asked of the files of one directory, in order.

use std::collections::BTreeMap;

/// A file, whatever its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileId(pub usize);

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A name for a new and empty file.
    Name {
        /// The name.
        name: String,
        /// The file.
        file: FileId,
    },
    /// A name goes.
    Unname {
        /// The name.
        name: String,
    },
    /// Bytes are written.
    Write {
        /// Into this file.
        file: FileId,
        /// From here on.
        at: usize,
        /// These.
        bytes: Vec<u8>,
    },
    /// A file ends here.
    Truncate {
        /// The file.
        file: FileId,
        /// Its length.
        len: usize,
    },
    /// What a file holds and how long it is are on the disk.
    Flush {
        /// The file.
        file: FileId,
    },
    /// Which names there are is on the disk.
    FlushDirectory,
}

impl Op {
    /// Whether it brings something to the disk.
    #[must_use]
    pub const fn is_flush(&self) -> bool {
        matches!(self, Self::Flush { .. } | Self::FlushDirectory)
    }
}

/// What was done so far.
#[derive(Debug, Default)]
pub struct Log {
    ops: Vec<Op>,
    names: BTreeMap<String, FileId>,
    files: usize,
}

impl Log {
    /// The file of this name, a new one if there is none.
    pub fn open(&mut self, name: &str) -> FileId {
        if let Some(file) = self.names.get(name) {
            return *file;
        }
        let file = FileId(self.files);
        self.files += 1;
        self.names.insert(name.to_owned(), file);
        self.ops.push(Op::Name { name: name.to_owned(), file });
        file
    }

    /// A name is gone, and on the disk as well if the directory was flushed.
    pub fn delete(&mut self, name: &str, flush_directory: bool) {
        self.names.remove(name);
        self.ops.push(Op::Unname { name: name.to_owned() });
        if flush_directory {
            self.ops.push(Op::FlushDirectory);
        }
    }

    /// Something was done.
    pub fn add(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// How much was done.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether nothing was done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// How often something was flushed.
    #[must_use]
    pub fn flushes(&self) -> usize {
        self.ops.iter().filter(|op| op.is_flush()).count()
    }

    /// All of it.
    #[must_use]
    pub fn into_ops(self) -> Vec<Op> {
        self.ops
    }
}

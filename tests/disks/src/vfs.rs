//! A file system for SQLite that writes down what is asked of it: every write, truncation, flush, new name and deletion
//! in a watched directory, in order, with its bytes. It does them too, through SQLite's own file system.
//!
//! It takes the place of the default, so the product opens its files as it always does. It belongs to the copy of
//! SQLite that the product uses: `rusqlite` gives the interface of the one that it bundles.

#![expect(unsafe_code, reason = "SQLite's interface to file systems is one of C")]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rusqlite::ffi;
use simulated_world::rng::Rng;

use crate::tape::{FileId, Log, Op};

/// What happens in one directory while this is held. Clones hear the same.
#[derive(Debug, Clone)]
pub struct Tape {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    log: Mutex<Log>,
    fails_next_flush: AtomicBool,
    /// The write that is cut short, counted down.
    short_write: AtomicUsize,
}

/// The directories that are watched, and what SQLite takes for randomness meanwhile.
#[derive(Default)]
struct Watched {
    tapes: Vec<Tape>,
    random: Option<Rng>,
}

static WATCHED: Mutex<Watched> = Mutex::new(Watched { tapes: Vec::new(), random: None });

fn watched() -> MutexGuard<'static, Watched> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tape {
    /// Watches a directory from now on, in which nothing may be yet.
    #[must_use]
    pub fn watch(directory: &Path) -> Self {
        install();
        let (directory, log) = (directory.to_owned(), Mutex::default());
        let (fails_next_flush, short_write) = (AtomicBool::new(false), AtomicUsize::new(0));
        let tape = Self { shared: Arc::new(Shared { directory, log, fails_next_flush, short_write }) };
        watched().tapes.push(tape.clone());
        tape
    }

    /// Nothing that is opened from now on is heard any more. Gives what was heard.
    #[must_use]
    pub fn stop(self) -> Vec<Op> {
        watched().tapes.retain(|tape| !Arc::ptr_eq(&tape.shared, &self.shared));
        std::mem::take(&mut *self.log()).into_ops()
    }

    /// The next flush fails. What was written before it is there all the same, unless the power is cut.
    pub fn fail_next_flush(&self) {
        self.shared.fails_next_flush.store(true, Ordering::SeqCst);
    }

    /// Of the write of this number from now on, the first being 1, only the first half is written, and it fails.
    pub fn cut_write_short(&self, number: usize) {
        self.shared.short_write.store(number, Ordering::SeqCst);
    }

    /// Whether the write that was to be cut short has come.
    #[must_use]
    pub fn has_cut(&self) -> bool {
        self.shared.short_write.load(Ordering::SeqCst) == 0
    }

    /// How much was heard.
    #[must_use]
    pub fn len(&self) -> usize {
        self.log().len()
    }

    /// How often something was flushed.
    #[must_use]
    pub fn flushes(&self) -> usize {
        self.log().flushes()
    }

    /// Whether nothing was heard.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes what SQLite draws (the salts of its logs) follow from a seed, until this is dropped. For one thread at a time.
#[derive(Debug)]
pub struct Seeded(());

impl Seeded {
    /// From here on.
    #[must_use]
    pub fn with(rng: Rng) -> Self {
        install();
        watched().random = Some(rng);
        reseed();
        Self(())
    }
}

impl Drop for Seeded {
    fn drop(&mut self) {
        watched().random = None;
        reseed();
    }
}

fn reseed() {
    // SAFETY: no buffer is asked for: this only makes SQLite ask its file system for a new seed at the next draw.
    unsafe { ffi::sqlite3_randomness(0, std::ptr::null_mut()) };
}

/// SQLite's own file system, behind ours.
struct Real(*mut ffi::sqlite3_vfs);

// SAFETY: a registered file system is never changed, and its functions may be called from any thread.
unsafe impl Send for Real {}
// SAFETY: as above.
unsafe impl Sync for Real {}

static REAL: OnceLock<Real> = OnceLock::new();

/// Puts ours in the place of SQLite's, once per process.
fn install() {
    REAL.get_or_init(|| {
        // SAFETY: SQLite is initialised before its file system is looked for; ours is a copy of its description, with
        // other functions and a name of its own, and lives as long as the process.
        unsafe {
            ffi::sqlite3_initialize();
            let real = ffi::sqlite3_vfs_find(std::ptr::null());
            assert!(!real.is_null(), "SQLite has a file system");
            let mut ours = *real;
            ours.szOsFile += size_of::<Recorded>() as c_int;
            ours.pNext = std::ptr::null_mut();
            ours.zName = c"recording".as_ptr();
            ours.xOpen = Some(open);
            ours.xDelete = Some(delete);
            ours.xRandomness = Some(randomness);
            let registered = ffi::sqlite3_vfs_register(Box::leak(Box::new(ours)), 1);
            assert_eq!(registered, ffi::SQLITE_OK, "SQLite takes another file system");
            Real(real)
        }
    });
}

fn real() -> *mut ffi::sqlite3_vfs {
    REAL.get().expect("ours is only called after it was installed").0
}

/// An open file: SQLite's part first, ours, and behind it that of the file system below.
#[repr(C)]
struct Recorded {
    base: ffi::sqlite3_file,
    /// Where it is written down; none for files that nobody watches.
    heard: *mut Heard,
}

struct Heard {
    tape: Tape,
    file: FileId,
    /// The first flush of a new log or journal also flushes the directory that names it: `unixSync` of SQLite.
    flushes_directory: bool,
}

/// The file below.
///
/// # Safety
/// `file` is one that [`open`] has filled.
unsafe fn below(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: `szOsFile` of ours is that of the file system below and our own part, so the room is there.
    unsafe { file.cast::<Recorded>().add(1).cast() }
}

/// # Safety
/// `file` is one that [`open`] has filled, and no one else uses it meanwhile: SQLite promises that.
unsafe fn heard<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a mut Heard> {
    // SAFETY: `heard` is null or a leaked box, which only `close` takes back.
    unsafe { (*file.cast::<Recorded>()).heard.as_mut() }
}

/// # Safety
/// `name` is null or ends with a zero byte.
unsafe fn place(name: *const c_char) -> Option<(Tape, String)> {
    if name.is_null() {
        return None;
    }
    // SAFETY: the caller says so.
    let path = Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes()));
    let tape = watched().tapes.iter().find(|tape| path.parent() == Some(&tape.shared.directory)).cloned()?;
    Some((tape, path.file_name()?.to_string_lossy().into_owned()))
}

unsafe extern "C" fn open(
    _vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives room for `szOsFile` bytes, and what it gives is what the file system below expects.
    unsafe {
        let opened =
            (*real()).xOpen.map_or(ffi::SQLITE_CANTOPEN, |open| open(real(), name, below(file), flags, out_flags));
        let recorded = file.cast::<Recorded>();
        (*recorded).heard = std::ptr::null_mut();
        // SQLite closes what has methods, also if it failed to open.
        (*recorded).base.pMethods = if (*below(file)).pMethods.is_null() { std::ptr::null() } else { &METHODS };
        if opened == ffi::SQLITE_OK
            && let Some((tape, name)) = place(name)
        {
            let beside = ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL;
            let flushes_directory = flags & ffi::SQLITE_OPEN_CREATE != 0 && flags & beside != 0;
            let file = tape.log().open(&name);
            (*recorded).heard = Box::into_raw(Box::new(Heard { tape, file, flushes_directory }));
        }
        opened
    }
}

unsafe extern "C" fn delete(_vfs: *mut ffi::sqlite3_vfs, name: *const c_char, flush_directory: c_int) -> c_int {
    // SAFETY: what SQLite gives is what the file system below expects.
    unsafe {
        let deleted = (*real()).xDelete.map_or(ffi::SQLITE_IOERR, |delete| delete(real(), name, flush_directory));
        if deleted == ffi::SQLITE_OK
            && let Some((tape, name)) = place(name)
        {
            tape.log().delete(&name, flush_directory & 1 != 0);
        }
        deleted
    }
}

unsafe extern "C" fn randomness(_vfs: *mut ffi::sqlite3_vfs, bytes: c_int, out: *mut c_char) -> c_int {
    if let Some(random) = &mut watched().random {
        // SAFETY: SQLite gives room for so many bytes.
        random.fill(unsafe { std::slice::from_raw_parts_mut(out.cast(), usize::try_from(bytes).unwrap_or(0)) });
        return bytes;
    }
    // SAFETY: as given.
    unsafe { (*real()).xRandomness.map_or(0, |random| random(real(), bytes, out)) }
}

/// Asks the file below.
macro_rules! ask {
    ($file:expr, $method:ident, $absent:expr $(, $argument:expr)*) => {{
        let below = below($file);
        (*(*below).pMethods).$method.map_or($absent, |method| method(below $(, $argument)*))
    }};
}

// SAFETY (of all that follow): SQLite calls them with a file that `open` has filled, and with what the same method of
// the file below expects.

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    unsafe {
        let heard = std::mem::replace(&mut (*file.cast::<Recorded>()).heard, std::ptr::null_mut());
        if !heard.is_null() {
            drop(Box::from_raw(heard));
        }
        ask!(file, xClose, ffi::SQLITE_IOERR)
    }
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, into: *mut c_void, bytes: c_int, at: i64) -> c_int {
    unsafe { ask!(file, xRead, ffi::SQLITE_IOERR, into, bytes, at) }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, bytes: c_int, at: i64) -> c_int {
    unsafe {
        let is_cut = heard(file).is_some_and(|heard| counts_down_to_zero(&heard.tape.shared.short_write));
        let bytes = if is_cut { bytes / 2 } else { bytes };
        let written = ask!(file, xWrite, ffi::SQLITE_IOERR, from, bytes, at);
        if written == ffi::SQLITE_OK
            && let Some(heard) = heard(file)
        {
            let content = std::slice::from_raw_parts(from.cast::<u8>(), usize::try_from(bytes).unwrap_or(0));
            let (file, at) = (heard.file, usize::try_from(at).unwrap_or(0));
            heard.tape.log().add(Op::Write { file, at, bytes: content.to_vec() });
        }
        if is_cut { ffi::SQLITE_FULL } else { written }
    }
}

fn counts_down_to_zero(left: &AtomicUsize) -> bool {
    let counted = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    counted == Ok(1)
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    unsafe {
        let truncated = ask!(file, xTruncate, ffi::SQLITE_IOERR, size);
        if truncated == ffi::SQLITE_OK
            && let Some(heard) = heard(file)
        {
            let (file, len) = (heard.file, usize::try_from(size).unwrap_or(0));
            heard.tape.log().add(Op::Truncate { file, len });
        }
        truncated
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    unsafe {
        if heard(file).is_some_and(|heard| heard.tape.shared.fails_next_flush.swap(false, Ordering::SeqCst)) {
            return ffi::SQLITE_IOERR_FSYNC;
        }
        let synced = ask!(file, xSync, ffi::SQLITE_IOERR, flags);
        if synced == ffi::SQLITE_OK
            && let Some(heard) = heard(file)
        {
            let flushes_directory = std::mem::take(&mut heard.flushes_directory);
            let mut log = heard.tape.log();
            log.add(Op::Flush { file: heard.file });
            if flushes_directory {
                log.add(Op::FlushDirectory);
            }
        }
        synced
    }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    unsafe { ask!(file, xFileSize, ffi::SQLITE_IOERR, size) }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    unsafe { ask!(file, xLock, ffi::SQLITE_IOERR, level) }
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    unsafe { ask!(file, xUnlock, ffi::SQLITE_IOERR, level) }
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, is_locked: *mut c_int) -> c_int {
    unsafe { ask!(file, xCheckReservedLock, ffi::SQLITE_IOERR, is_locked) }
}

unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, what: c_int, argument: *mut c_void) -> c_int {
    unsafe { ask!(file, xFileControl, ffi::SQLITE_NOTFOUND, what, argument) }
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    unsafe { ask!(file, xSectorSize, 0) }
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    unsafe { ask!(file, xDeviceCharacteristics, 0) }
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    bytes: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    unsafe { ask!(file, xShmMap, ffi::SQLITE_IOERR, region, bytes, extend, out) }
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, first: c_int, count: c_int, flags: c_int) -> c_int {
    unsafe { ask!(file, xShmLock, ffi::SQLITE_IOERR, first, count, flags) }
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    unsafe { ask!(file, xShmBarrier, ()) }
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    unsafe { ask!(file, xShmUnmap, ffi::SQLITE_IOERR, delete) }
}

/// Version 2: nothing is mapped but shared memory, so that no write goes past us.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

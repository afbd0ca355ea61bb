//! libFuzzer around a target. Each target is a program of its own, so that the fuzzer looks at the counters of what it
//! runs and of nothing else.

use std::cell::RefCell;
use std::panic::{catch_unwind, set_hook, AssertUnwindSafe};
use std::path::PathBuf;

use fuzz_targets::Target;

#[doc(hidden)]
pub use libfuzzer_sys;

thread_local! {
    /// What the last panic said: most are caught where they are expected, and nobody needs to hear of those.
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Writes what the target begins with to the directory that `FUZZ_SEEDS` names.
pub fn begin(target: &Target) {
    let seeds = PathBuf::from(std::env::var_os("FUZZ_SEEDS").expect("FUZZ_SEEDS is a directory"));
    for (number, seed) in (target.seeds)().iter().enumerate() {
        std::fs::write(seeds.join(format!("seed-{number}")), seed).expect("seeds can be written");
    }
    // In the place of libFuzzer's, which would end at the first panic.
    set_hook(Box::new(|panic| LAST_PANIC.with(|last| *last.borrow_mut() = panic.to_string())));
}

/// One execution.
pub fn run(target: &Target, bytes: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))).is_err() {
        eprintln!("{}", LAST_PANIC.with(|last| last.borrow().clone()));
        std::process::abort();
    }
}

/// The program of a target.
#[macro_export]
macro_rules! fuzz {
    ($target:path) => {
        use $crate::libfuzzer_sys;
        libfuzzer_sys::fuzz_target!(init: $crate::begin(&$target), |bytes: &[u8]| $crate::run(&$target, bytes));
    };
}

//! Keeps a panic or a deep recursion of Automerge from harming anybody but its call.
//!
//! Peers can make Automerge panic with well-formed changes. Guarded calls work on clones, so that what a panic leaves
//! behind is dropped, on a stack that is large enough for the deepest admitted document.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Enough for Automerge at the deepest admitted nesting, with much to spare.
const STACK_BYTES: usize = 32 << 20;

/// Stack of a thread on which guarded calls need none of their own. Only what is used of it takes memory.
pub const ROOMY_STACK_BYTES: usize = STACK_BYTES + (4 << 20);

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `call` where guarded calls need no stack of their own: for whoever makes many of them.
pub fn on_roomy_stack<T>(call: impl FnOnce() -> T) -> T {
    stacker::maybe_grow(STACK_BYTES + (2 << 20), ROOMY_STACK_BYTES, call)
}

/// Runs `call`; a panic comes back as its text. Whatever `call` was changing must be dropped then.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    // Mapping a stack for every call would take longer than most calls.
    stacker::maybe_grow(STACK_BYTES, STACK_BYTES, || caught(call))
}

/// As [`guarded`], on the caller's stack: for what does not recurse.
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    let before = GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    GUARDED.set(before);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("a panic without a text").chars().take(200).collect()
    })
}

/// Installs a panic hook that says nothing about panics inside guarded calls, which come back as errors, and leaves
/// all others to the hook that was there.
///
/// For a program's `main`; a library must not decide this for its host.
pub fn quiet_panics() {
    let outer = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !GUARDED.get() {
            outer(info);
        }
    }));
}

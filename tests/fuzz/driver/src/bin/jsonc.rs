//! libFuzzer around settings files.
#![no_main]

fuzz_driver::fuzz!(fuzz_targets::JSONC);

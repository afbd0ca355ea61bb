//! libFuzzer around the parser of changes.
#![no_main]

fuzz_driver::fuzz!(fuzz_targets::HEADER);

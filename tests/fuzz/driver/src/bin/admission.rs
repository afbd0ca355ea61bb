//! libFuzzer around changes into documents.
#![no_main]

fuzz_driver::fuzz!(fuzz_targets::ADMISSION);

//! libFuzzer around the HTTP port.
#![no_main]

fuzz_driver::fuzz!(fuzz_targets::HTTP);

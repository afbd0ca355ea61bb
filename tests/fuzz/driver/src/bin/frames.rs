//! libFuzzer around the codec of the wire.
#![no_main]

fuzz_driver::fuzz!(fuzz_targets::FRAMES);

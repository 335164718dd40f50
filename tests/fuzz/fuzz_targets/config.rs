//! Fuzzes what reads pipeline files.
//! What is checked stands in `bodies.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| weir_fuzz::run("config", bytes));

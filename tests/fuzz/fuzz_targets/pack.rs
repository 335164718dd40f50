//! Fuzzes what reads packs of rules.
//! What is checked stands in `bodies.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| weir_fuzz::run("pack", bytes));

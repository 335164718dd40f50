//! Fuzzes what sees through encodings and the like.
//! What is checked stands in `bodies.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| weir_fuzz::run("layers", bytes));

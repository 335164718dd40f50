//! Fuzzes what reads events in weir's own format.
//! What is checked stands in `bodies.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| weir_fuzz::run("decode_native", bytes));

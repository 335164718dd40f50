//! Fuzzes what reads streams of server-sent events.
//! What is checked stands in `bodies.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| weir_fuzz::run("sse", bytes));

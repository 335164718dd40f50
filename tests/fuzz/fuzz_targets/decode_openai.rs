//! Fuzzes what reads captures of OpenAI's APIs.
//! What is checked stands in `bodies.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| weir_fuzz::run("decode_openai", bytes));

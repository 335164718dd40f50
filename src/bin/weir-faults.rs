//! weir as it is, built with the feature `faults`: failpoints and mutations for the crash tests.
//!
//! A name of its own, so that it shares every dependency with the real program and never replaces it.

use std::process::ExitCode;

fn main() -> ExitCode {
    weir::cli::main()
}

//! The program: its allocator, and the exit status of the command line.
//!
//! Everything else is in the library, where tests reach it.

use std::process::ExitCode;

/// Detect allocates in bursts from several threads, where mimalloc's thread-local heaps need no lock.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    weir::cli::main()
}

//! The program: allocator, panic hook, and the exit status of the command line.
//!
//! Everything else is in the library, where tests reach it.

use std::process::ExitCode;

/// Detect allocates in bursts from several threads, where mimalloc's thread-local heaps need no lock.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The message of a panic may quote text of an interaction, so only its place is printed.
    std::panic::set_hook(Box::new(|panic| match panic.location() {
        Some(place) => eprintln!("panic at {}:{}:{}", place.file(), place.line(), place.column()),
        None => eprintln!("panic at an unknown place"),
    }));
    weir::cli::main()
}

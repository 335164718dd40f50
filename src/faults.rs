//! Failpoints and mutations for the crash tests. Without the cargo feature `faults` every one of them is nothing.
//!
//! A failpoint is a place where the tests kill the process as `kill -9` would; a mutation takes one safeguard
//! out, so that a test can show that the safeguard is what keeps the promise. Both are named and set in the
//! environment variable `FAILPOINTS`, in the notation of the crate `fail`: `detect.after_commit=9*off->return`.

/// Reads `FAILPOINTS`. What it returns must live as long as the failpoints shall work.
#[cfg(feature = "faults")]
pub fn setup() -> fail::FailScenario<'static> {
    fail::FailScenario::setup()
}

/// Dies here, as if killed by `kill -9`, when the failpoint is due.
#[cfg(feature = "faults")]
pub fn point(name: &str) {
    if fail::eval(name, |_| ()).is_some() {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // The signal may take a moment to arrive, and nothing may happen meanwhile.
        loop {
            std::thread::park();
        }
    }
}

/// Whether a safeguard is taken out.
#[cfg(feature = "faults")]
pub fn mutated(name: &str) -> bool {
    fail::eval(name, |_| ()).is_some()
}

/// Panics here, as a bug would, when the failpoint is due.
#[cfg(feature = "faults")]
pub fn panics(name: &str) {
    assert!(fail::eval(name, |_| ()).is_none(), "a failpoint");
}

/// Never.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn panics(_name: &str) {}

/// Nothing.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn point(_name: &str) {}

/// Never.
#[cfg(not(feature = "faults"))]
#[inline(always)]
pub fn mutated(_name: &str) -> bool {
    false
}

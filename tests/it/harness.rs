//! What the tests stand on: servers, processes of weir, traffic, and reading back what came of it. No assertion
//! about weir's promises is made here, only that the machinery itself works.

pub mod clickhouse;
pub mod kafka;
pub mod process;
pub mod servers;
pub mod site;
pub mod snapshot;
pub mod traffic;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Longest wait for anything that should happen. Far beyond what any of it takes, so that a loaded machine fails
/// nothing: times are data.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// The repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Where tests keep their files: beside the binaries, so that `cargo clean` takes it along.
pub fn scratch() -> PathBuf {
    let release = std::path::Path::new(env!("CARGO_BIN_EXE_weir")).parent().expect("a binary lies in a folder");
    release.parent().expect("the folder of a profile lies in target").join("it")
}

/// Tells this run's topics and databases from those of other runs on the same servers.
pub fn run_id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("the clock is set");
        format!("{:x}", since.as_millis() & 0xff_ffff_ffff)
    })
}

/// A line of progress, which the test harness does not hold back: some scenarios take a minute.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "it: {line}");
}

/// Asks until the answer is `Ok`; panics with what was waited for and the last answer.
pub fn wait_until<T>(what: &str, patience: Duration, mut probe: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match probe() {
            Ok(value) => return value,
            Err(last) if begun.elapsed() > patience => {
                panic!("waited {} s for {what}; last seen: {last}", patience.as_secs());
            }
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// A place among the scenarios that run at once; given back on drop.
pub struct Slot(());

static FREE: Mutex<Option<usize>> = Mutex::new(None);
static FREED: Condvar = Condvar::new();

/// Waits for a place.
pub fn slot() -> Slot {
    let jobs = || std::env::var("WEIR_IT_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(2);
    let mut free = FREE.lock().expect("holders of the lock do not panic");
    loop {
        let left = free.get_or_insert_with(jobs);
        if *left > 0 {
            *left -= 1;
            return Slot(());
        }
        free = FREED.wait(free).expect("holders of the lock do not panic");
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *FREE.lock().expect("holders of the lock do not panic").get_or_insert(0) += 1;
        FREED.notify_one();
    }
}

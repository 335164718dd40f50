//! Timing of rows that stand beside each other, and the tables that come of it.
//!
//! The rows of a group take turns, round by round, in one process on one thread, so that whatever else the machine
//! does meets all of them: their ratios are what may be quoted. What is counted is the thread's CPU time. Every row
//! says how many planted secrets it found, and one that did not find all is an error, whatever its speed.

use rustix::time::{ClockId, clock_gettime};

/// Rounds that a group is measured in.
const ROUNDS: usize = 7;

/// How long one round of a row takes at least, in seconds of CPU; short rows are repeated.
const ROUND_S: f64 = 0.06;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    Full,
    /// Everything runs once, on little: shows that it works, not how fast.
    Smoke,
}

/// Something to measure.
pub struct Row<'a> {
    pub name: String,
    /// Events and bytes that one run goes over.
    pub events: usize,
    pub bytes: usize,
    /// Secrets planted in them that the run must find; none for rows that look for nothing.
    pub planted: Option<usize>,
    /// Runs once, and says how many it found.
    pub run: Box<dyn FnMut() -> usize + 'a>,
}

/// What came of a row.
pub struct Timed {
    pub name: String,
    /// Of its rounds.
    pub median_us: f64,
}

/// Measures the rows of a group and prints them.
pub fn group(title: &str, mut rows: Vec<Row<'_>>, effort: Effort) -> Vec<Timed> {
    let (rounds, round_s) = if effort == Effort::Full { (ROUNDS, ROUND_S) } else { (1, 0.0) };
    // The first run fills caches, and says how often a row is repeated in a round.
    let repeats: Vec<usize> = rows.iter_mut().map(|row| (round_s / timed(row, 1).max(1e-7)).ceil() as usize).collect();
    let mut seconds: Vec<Vec<f64>> = vec![Vec::new(); rows.len()];
    for _ in 0..rounds {
        for ((row, &repeats), seconds) in rows.iter_mut().zip(&repeats).zip(&mut seconds) {
            seconds.push(timed(row, repeats.max(1)));
        }
    }
    println!("\n{title}");
    println!("{:46} {:>26}   {:>26}", "", "µs per event", "MB/s");
    println!("{:46} {:>8} {:>8} {:>8}   {:>8} {:>8} {:>8}", "", "min", "median", "max", "min", "median", "max");
    rows.iter().zip(seconds).map(|(row, seconds)| summed_up(row, seconds)).collect()
}

fn summed_up(row: &Row<'_>, mut seconds: Vec<f64>) -> Timed {
    seconds.sort_by(f64::total_cmp);
    let three = [seconds[0], seconds[seconds.len() / 2], seconds[seconds.len() - 1]];
    let us_per_event = three.map(|seconds| seconds / row.events as f64 * 1e6);
    let mut mb_per_s = three.map(|seconds| row.bytes as f64 / seconds / 1e6);
    mb_per_s.reverse();
    let [a, b, c] = us_per_event.map(|us| format!("{us:.2}"));
    let [d, e, f] = mb_per_s.map(|mb| format!("{mb:.0}"));
    println!("{:46} {a:>8} {b:>8} {c:>8}   {d:>8} {e:>8} {f:>8}", row.name);
    Timed { name: row.name.clone(), median_us: us_per_event[1] }
}

/// Seconds of CPU that one run takes, over so many.
fn timed(row: &mut Row<'_>, repeats: usize) -> f64 {
    let begun = cpu_s();
    for _ in 0..repeats {
        let found = (row.run)();
        if let Some(planted) = row.planted {
            assert_eq!(found, planted, "{}: planted secrets that were found", row.name);
        }
        std::hint::black_box(found);
    }
    (cpu_s() - begun) / repeats as f64
}

/// CPU time of this thread, in seconds.
fn cpu_s() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// The median of a row that was measured.
pub fn median_us(rows: &[Timed], name: &str) -> f64 {
    let row = rows.iter().find(|row| row.name == name);
    row.unwrap_or_else(|| panic!("no row is called {name:?}")).median_us
}

/// Under which conditions everything was measured.
pub fn conditions(more: &[(&str, String)]) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let load = read("/proc/loadavg").split(' ').next().unwrap_or("?").to_owned();
    let mut lines = vec![
        ("date", today()),
        ("machine", format!("{}, {cores} cores, load {load} before it began", model.unwrap_or("unknown"))),
        ("weir", format!("{}, built by {}", env!("CARGO_PKG_VERSION"), rustc())),
    ];
    lines.extend(more.iter().map(|(name, value)| (*name, value.clone())));
    for (name, value) in lines {
        println!("{name:10} {value}");
    }
}

fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

fn rustc() -> String {
    let told = std::process::Command::new("rustc").arg("--version").output();
    told.map_or_else(|_| "an unknown rustc".into(), |told| String::from_utf8_lossy(&told.stdout).trim().to_owned())
}

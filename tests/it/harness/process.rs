//! Processes of weir: started with a log of their own, signalled, awaited, and killed when a test is over.

use super::site::Site;
use super::{PATIENCE, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The program that is released, or the one with failpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    Weir,
    Faults,
}

impl Binary {
    pub fn path(self) -> PathBuf {
        let weir = Path::new(env!("CARGO_BIN_EXE_weir"));
        match self {
            Binary::Weir => weir.to_path_buf(),
            Binary::Faults => {
                let faults = weir.with_file_name("weir-faults");
                assert!(
                    faults.exists(),
                    "{} is missing: cargo build --release --features faults --bin weir-faults",
                    faults.display()
                );
                faults
            }
        }
    }
}

/// How to start an instance.
#[derive(Clone, Debug)]
pub struct Start<'a> {
    pub instance: &'a str,
    pub role: &'a str,
    /// In the notation of `FAILPOINTS`; empty: the released binary.
    pub failpoints: &'a str,
    /// In place of the site's.
    pub config: Option<&'a Path>,
    /// Further arguments, and variables of the environment.
    pub arguments: &'a [&'a str],
    pub environment: &'a [(&'a str, &'a str)],
}

impl<'a> Start<'a> {
    pub fn instance(instance: &'a str) -> Self {
        Start { instance, role: "all", failpoints: "", config: None, arguments: &[], environment: &[] }
    }

    pub fn role(self, role: &'a str) -> Self {
        Start { role, ..self }
    }

    pub fn config(self, config: &'a Path) -> Self {
        Start { config: Some(config), ..self }
    }

    pub fn arguments(self, arguments: &'a [&'a str]) -> Self {
        Start { arguments, ..self }
    }

    pub fn environment(self, environment: &'a [(&'a str, &'a str)]) -> Self {
        Start { environment, ..self }
    }

    pub fn failpoints(self, failpoints: &'a str) -> Self {
        Start { failpoints, ..self }
    }
}

/// Memory that a process has, and the most that it had.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub rss_mib: u64,
    pub peak_mib: u64,
}

/// A running `weir run`.
pub struct Weir {
    child: Child,
    pub log: PathBuf,
}

impl Weir {
    pub fn start(site: &Site, start: Start<'_>) -> Self {
        let Start { instance, role, failpoints, config, arguments, environment } = start;
        let log = site.new_log(&format!("{instance}-{role}"));
        let file = std::fs::File::create(&log).expect("the folder of a site is there");
        let binary = if failpoints.is_empty() { Binary::Weir } else { Binary::Faults };
        let child = Command::new(binary.path())
            .args(["run", "-c"])
            .arg(config.map_or_else(|| site.config(), Path::to_path_buf))
            .args(["--role", role])
            .args(arguments)
            .envs(environment.iter().copied())
            .env("WEIR_INSTANCE", instance)
            .env("FAILPOINTS", failpoints)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file can be shared"))
            .stderr(file)
            .spawn()
            .expect("weir can be started");
        Weir { child, log }
    }

    pub fn log_text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).expect("the log is there")).into_owned()
    }

    /// Waits for a line that holds all of these.
    pub fn wait_for_log(&mut self, words: &[&str]) {
        wait_until(&format!("{words:?} in {}", self.log.display()), PATIENCE, || {
            let text = self.log_text();
            if text.lines().any(|line| words.iter().all(|word| line.contains(word))) {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("weir ended ({status}) before it logged {words:?}; its end:\n{}", tail(&text));
            }
            Err(tail(&text))
        });
    }

    /// What anybody on the machine can see of it.
    pub fn command_line(&self) -> String {
        let path = format!("/proc/{}/cmdline", self.child.id());
        String::from_utf8_lossy(&std::fs::read(path).expect("weir runs")).into_owned()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("weir runs");
    }

    /// What the system says of its memory.
    pub fn memory(&self) -> Memory {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).expect("weir runs");
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a process has a size");
            line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).expect("a number of KiB") >> 10
        };
        Memory { rss_mib: mib("VmRSS:"), peak_mib: mib("VmHWM:") }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32).expect("a process has a number")
    }

    /// Whether it has ended by itself; a test that goes on without an instance must say so.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("weir is our child")
    }

    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        wait_until(&format!("the end of the weir that writes {}", self.log.display()), patience, || {
            let ended = self.child.try_wait().expect("weir is our child");
            ended.ok_or_else(|| tail(&self.log_text()))
        })
    }

    /// `kill -9`, and its end.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        self.wait(PATIENCE);
    }

    /// Ends it in order; it must say so with status 0.
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.wait(PATIENCE);
        assert!(status.success(), "SIGTERM ended weir with {status}; its end:\n{}", tail(&self.log_text()));
    }

    /// Ends it in order, if it has not ended by itself.
    pub fn end(mut self) {
        if self.ended().is_none() {
            self.signal(Signal::TERM);
        }
        self.wait(PATIENCE);
    }

    /// Waits until a failpoint has killed it; `false`: it was not reached in time, and the instance is ended.
    pub fn was_killed(mut self, patience: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if let Some(status) = self.ended() {
                assert_eq!(
                    status.signal(),
                    Some(9),
                    "the failpoint should kill; {status}:\n{}",
                    tail(&self.log_text())
                );
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    }

    /// As `was_killed`, of a failpoint that must be reached.
    pub fn wait_killed(self) {
        let log = self.log.clone();
        assert!(self.was_killed(PATIENCE), "the failpoint was not reached: {}", log.display());
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last lines of a log, for a panic.
pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

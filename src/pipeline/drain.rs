//! Ending: the first SIGTERM or SIGINT lets the loops finish what they do, a second one ends the process at once.
//!
//! A loop commits what it has done, store sees its groups in flight through, and nothing new is begun. None of it has
//! to succeed: what is not committed is the successor's. So there is a deadline for the loops, and a later one for
//! the process, both well before Kubernetes kills it (30 s by default). What there is to finish each loop knows
//! itself; ending the process is for the command line.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// How long loops go on trying to finish.
pub const LOOPS_DEADLINE: Duration = Duration::from_secs(15);

/// When the process ends although loops have not. A request to a broker that does not answer cannot be cut short.
pub const PROCESS_DEADLINE: Duration = Duration::from_secs(25);

/// Whether the loops shall end. They look at it between two records; nobody waits for it.
#[derive(Clone, Default)]
pub struct Stop {
    flag: Arc<AtomicBool>,
    /// When it was first seen to be set: a signal handler can set a flag and nothing more.
    since: Arc<OnceLock<Instant>>,
    failed: Arc<AtomicBool>,
}

impl Stop {
    /// Sets itself on SIGTERM and SIGINT; the second of them exits as the signal itself would have: 128 and its number.
    pub fn on_signals() -> std::io::Result<Self> {
        let stop = Stop::default();
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            // In this order: the exit is taken only when the flag stands already.
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop.flag))?;
            signal_hook::flag::register(signal, Arc::clone(&stop.flag))?;
        }
        Ok(stop)
    }

    pub fn is_set(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    pub fn set(&self) {
        self.flag.store(true, Ordering::Relaxed);
    }

    /// Notes that a loop cannot go on: the process has failed, whichever thread ends it. `true`: it is the first.
    pub fn fail(&self) -> bool {
        !self.failed.swap(true, Ordering::SeqCst)
    }

    /// Whether a loop could not go on.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// How long ago it was set, as far as somebody has asked; `None`: it is not.
    pub fn elapsed(&self) -> Option<Duration> {
        self.is_set().then(|| self.since.get_or_init(Instant::now).elapsed())
    }

    /// Whether the loops have had their time.
    pub fn is_overdue(&self) -> bool {
        self.elapsed().is_some_and(|elapsed| elapsed > LOOPS_DEADLINE)
    }

    /// Runs a loop; when it ends, for whatever reason, a panic too, the others end as well.
    pub fn on_end<T>(&self, body: impl FnOnce() -> T) -> T {
        struct SetOnDrop<'s>(&'s Stop);
        impl Drop for SetOnDrop<'_> {
            fn drop(&mut self) {
                self.0.set();
            }
        }
        let _set = SetOnDrop(self);
        body()
    }

    /// Sleeps, but not past a stop.
    pub fn sleep(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.is_set() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20).min(time));
        }
    }
}

const _: () = assert!(LOOPS_DEADLINE.as_secs() < PROCESS_DEADLINE.as_secs() && PROCESS_DEADLINE.as_secs() < 30);

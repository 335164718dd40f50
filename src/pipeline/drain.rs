//! Ending: the first SIGTERM or SIGINT lets the loops finish what they do, a second one ends the process at once.
//!
//! What there is to finish, and by when, each loop knows itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Whether the loops shall end. They look at it between two records; nobody waits for it.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Sets itself on SIGTERM and SIGINT; the second of them exits with status 1.
    pub fn on_signals() -> std::io::Result<Self> {
        let stop = Stop::default();
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            // In this order: the exit is taken only when the flag stands already.
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop.0))?;
            signal_hook::flag::register(signal, Arc::clone(&stop.0))?;
        }
        Ok(stop)
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
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

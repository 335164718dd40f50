//! Folding of lines that repeat: the first is said, the rest is counted and told now and then.
//!
//! It only decides; whoever asks writes the line.

use std::time::{Duration, Instant};

/// How often the same thing is said at most.
pub const SAY_EVERY: Duration = Duration::from_secs(60);

/// Says a thing at once, and again only when [`SAY_EVERY`] has passed.
#[derive(Debug, Default)]
pub struct Fold {
    said: Option<Instant>,
    held: u64,
}

impl Fold {
    /// Whether to say it now; then with how often it was not said since the last time.
    pub fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.said.is_some_and(|said| now.saturating_duration_since(said) < SAY_EVERY) {
            self.held += 1;
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_said_and_the_rest_counted() {
        let begun = Instant::now();
        let mut fold = Fold::default();
        let told = [0, 1, 30, 59, 60, 61].map(|second| fold.admit(begun + Duration::from_secs(second)));
        assert_eq!(told, [Some(0), None, None, None, Some(3), None]);
    }
}

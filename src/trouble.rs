//! What keeps weir from going on, told once to whoever is paged: one line when it begins, another now and then while
//! it lasts, one when it is over.
//!
//! What the log has said belongs to the process as the log does, so it is kept once: three loops that wait for the
//! same broker say it once between them. Nothing here knows what went wrong, writes a line, or decides how bad it is.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// After this long the same trouble is told again: who comes on duty meanwhile looks at the end of a log.
const REMINDER: Duration = Duration::from_secs(5 * 60);

/// Most kinds of trouble that are remembered. Past it the oldest goes, and may be told again too soon.
const KINDS: usize = 64;

/// A trouble that was told.
struct Told {
    who: &'static str,
    kind: String,
    since: Instant,
    told: Instant,
}

static TOLD: Mutex<Vec<Told>> = Mutex::new(Vec::new());

/// Whether this is worth a line now. Two reasons are of one kind when they begin alike: numbers, and what follows the
/// first parenthesis, change from one try to the next.
pub fn is_news(who: &'static str, reason: &str) -> bool {
    is_news_at(&mut told(), Instant::now(), who, reason)
}

/// `who` goes on. Returns for how long it did not, if that was told by it.
pub fn over(who: &'static str) -> Option<Duration> {
    let mut told = told();
    let since = told.iter().filter(|told| told.who == who).map(|told| told.since).min();
    told.retain(|told| told.who != who);
    since.map(|since| since.elapsed())
}

fn told() -> MutexGuard<'static, Vec<Told>> {
    // Nothing that holds the lock can leave the list half-changed.
    TOLD.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_news_at(told: &mut Vec<Told>, now: Instant, who: &'static str, reason: &str) -> bool {
    let begins = reason.split(" (").next().unwrap_or_default();
    let kind: String = begins.chars().filter(|c| !c.is_ascii_digit()).collect();
    if let Some(known) = told.iter_mut().find(|told| told.kind == kind) {
        let due = now.saturating_duration_since(known.told) >= REMINDER;
        if due {
            known.told = now;
        }
        return due;
    }
    if told.len() == KINDS {
        told.remove(0);
    }
    told.push(Told { who, kind, since: now, told: now });
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_once_and_again_after_a_while() {
        let (mut told, begun) = (Vec::new(), Instant::now());
        let mut say =
            |seconds: u64, who, reason| is_news_at(&mut told, begun + Duration::from_secs(seconds), who, reason);
        assert!(say(0, "score", "no answer after 5000 ms"));
        assert!(!say(1, "score", "no answer after 5003 ms (connection refused)"), "only details differ");
        assert!(!say(2, "store", "no answer after 5003 ms"), "another loop in the same trouble");
        assert!(say(3, "score", "another reason"));
        assert!(!say(4, "score", "no answer after 5004 ms"), "two that take turns");
        assert!(say(300, "score", "no answer after 5005 ms"), "a reminder");
        assert!(!say(301, "score", "no answer after 5005 ms"));
    }

    #[test]
    fn no_more_than_so_many_kinds_are_kept() {
        let (mut told, now) = (Vec::new(), Instant::now());
        for number in 0..2 * KINDS {
            assert!(is_news_at(&mut told, now, "score", &"x".repeat(number)));
        }
        assert_eq!(told.len(), KINDS);
        assert!(!is_news_at(&mut told, now, "score", &"x".repeat(2 * KINDS - 1)));
    }

    #[test]
    fn what_is_over_is_told_anew() {
        assert!(is_news("a loop of this test", "something of this test"));
        assert!(!is_news("a loop of this test", "something of this test"));
        assert!(over("a loop of this test").is_some());
        assert!(over("a loop of this test").is_none());
        assert!(is_news("a loop of this test", "something of this test"));
    }
}

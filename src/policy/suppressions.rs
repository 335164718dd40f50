//! Suppressions: what somebody decided to live with, why, and until when.
//!
//! A suppressed finding is stored with who approved it and the reason; only no alert is sent, and no throttle moves.
//! Whether a suppression has expired is judged by the event's own time, so that a replay judges as the stream did. An
//! event without a time is not suppressed. Nothing here looks at a clock: the present comes in as an argument.

use super::{REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE};
use crate::model::PrincipalKind;
use crate::model::facts::Facts;
use crate::model::finding::Suppressed;
use crate::rules::Catalogue;
use crate::yaml::Problem;
use crate::yaml::plain::{At, Plain};
use crate::yaml::section::{closest, section};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

/// How long before its end a suppression is warned of, in days: time to have it approved anew.
const SOON_DAYS: i64 = 14;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Whose findings of which rule are not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    pub rule: String,
    /// `None`: whoever it is.
    principal: Option<(PrincipalKind, String)>,
    /// `None`: whatever calls.
    application: Option<String>,
    /// `None`: whatever the value.
    value_hash: Option<[u8; 16]>,
    /// What its findings are stored with.
    told: Suppressed,
    /// Where it stands in its file.
    line: usize,
}

section! {
    /// Findings of a rule that are stored and never told. All that is given must fit.
    Written {
        /// The rule's id.
        rule: At<String>,
        /// Only of this principal, as in the tables: `user:ann`.
        principal: Option<At<String>>,
        /// Only of this application.
        application: Option<At<String>>,
        /// Only of this value, by the keyed hash in the column `hmac` of its findings.
        value_hash: Option<At<String>>,
        /// Why this is no alert.
        reason: At<String>,
        /// Who approved it.
        approver: At<String>,
        /// The last day on which it holds, in UTC, such as 2027-03-31.
        expires: At<Day>,
    }
    later []
}

/// A day of the calendar.
#[derive(Clone, Copy, Debug, Default)]
pub struct Day(Date);

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Plain for Day {
    const IS_NOT: &'static str = "is not a day";
    const REMEDY: &'static str = "write the last day on which it holds as year, month and day: 2027-03-31";
    const JSON: &'static str = "string";

    fn parse(text: &str) -> Option<Self> {
        // With a time beside it, it would not be the whole day that is meant.
        (text.len() == 10).then(|| text.parse().ok().map(Day)).flatten()
    }
}

impl Day {
    /// The first moment after it; `None` at the end of time.
    fn end_ms(self) -> Option<i64> {
        Some(self.0.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond())
    }
}

impl Suppression {
    /// Checks what was written.
    pub(super) fn resolve(
        written: &Written,
        catalogue: Option<&Catalogue>,
        problems: &mut Vec<Problem>,
    ) -> Option<Suppression> {
        let before = problems.len();
        // What is missing has no place, and was told.
        let mut refuse = |at: &At<String>, message: String, remedy: &str| {
            if at.place.line > 0 {
                problems.push(Problem::new(at.place, message, remedy));
            }
        };
        for (what, text) in [("reason", &written.reason), ("approver", &written.approver)] {
            if text.value.trim().is_empty() {
                refuse(text, format!("the {what} is empty"), "an auditor asks who decided this, and why");
            }
        }
        if let Some(remedy) = catalogue.and_then(|catalogue| unknown(&written.rule.value, catalogue)) {
            refuse(&written.rule, format!("there is no rule `{}` to suppress", written.rule.value), &remedy);
        }
        let principal = written.principal.as_ref().and_then(|at| {
            let principal = principal(&at.value);
            if principal.is_none() {
                let remedy = "write it as the tables do: user:, key:, workload: or unknown:, and the name";
                refuse(at, "this is no principal".to_owned(), remedy);
            }
            principal
        });
        let value_hash = written.value_hash.as_ref().and_then(|at| {
            let hash = hash(&at.value);
            if hash.is_none() {
                let remedy = "copy the 32 hex digits from the column `hmac` of a finding";
                refuse(at, "this is no hash of a value".to_owned(), remedy);
            }
            hash
        });
        let until_ms = written.expires.value.end_ms()?;
        (problems.len() == before).then(|| Suppression {
            rule: written.rule.value.clone(),
            principal,
            application: written.application.as_ref().map(|at| at.value.clone()),
            value_hash,
            told: Suppressed {
                by: written.approver.value.trim().to_owned(),
                reason: written.reason.value.trim().to_owned(),
                expires: written.expires.value.0.to_string(),
                until_ms,
            },
            line: written.rule.place.line,
        })
    }

    /// What a finding of a rule is stored with, if this covers it. The hash is of its value, all zero for none.
    pub fn covers(&self, rule: &str, facts: &Facts<'_>, hmac: [u8; 16]) -> Option<&Suppressed> {
        let fits = self.rule == rule
            && (1..self.told.until_ms).contains(&facts.time_ms)
            && self.application.as_ref().is_none_or(|application| application == facts.application)
            && self.value_hash.is_none_or(|hash| hash == hmac)
            && self
                .principal
                .as_ref()
                .is_none_or(|(kind, value)| (*kind, value.as_str()) == (facts.principal.kind, facts.principal.value));
        fits.then_some(&self.told)
    }

    /// Whether it goes by the hash of a value, which nothing has without a key.
    pub fn needs_hashes(&self) -> bool {
        self.value_hash.is_some()
    }

    /// What to say of it when it has expired or soon will; `file` is the policy's name.
    pub fn expiring(&self, file: &str, now_ms: i64) -> Option<String> {
        let left_ms = self.told.until_ms - now_ms;
        if left_ms > SOON_DAYS * DAY_MS {
            return None;
        }
        let Suppression { rule, told: Suppressed { by, expires, .. }, line, .. } = self;
        let what = format!("{file}:{line}: the suppression of `{rule}`, approved by {by},");
        Some(match left_ms > 0 {
            true => format!("{what} expires with {expires}: have it approved anew, or its findings are alerts again"),
            false => format!("{what} expired with {expires}: its findings are alerts again; take it out or renew it"),
        })
    }
}

/// What to do about a rule that no pack holds; `None`: one does.
fn unknown(rule: &str, catalogue: &Catalogue) -> Option<String> {
    let ids = catalogue.rules().iter().chain(catalogue.off().iter().map(|(rule, _)| rule)).map(|rule| &*rule.info.id);
    let ids: Vec<&str> = ids.chain([REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE]).collect();
    if ids.contains(&rule) {
        return None;
    }
    Some(match closest(rule, &ids) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`weir rules list` prints every id".to_owned(),
    })
}

fn principal(text: &str) -> Option<(PrincipalKind, String)> {
    let (kind, value) = text.split_once(':')?;
    Some((PrincipalKind::from_name(kind)?, value.to_owned())).filter(|(_, value)| !value.is_empty())
}

/// Zero is the hash of nothing.
fn hash(text: &str) -> Option<[u8; 16]> {
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit()) && text.len() == 32;
    let number = digits.then(|| u128::from_str_radix(text, 16).ok()).flatten()?;
    (number != 0).then(|| number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::Policy;
    use crate::model::{Position, Principal, PrincipalKind};
    use crate::rules::Catalogue;
    use crate::yaml::Problem;

    const BEGIN: &str = "version: 1\nsuppressions:\n  - ";
    const REST: &str = "reason: load test, approver: ann@example.org, expires: 2027-03-31";

    fn policy(text: &str) -> Result<Policy, Vec<String>> {
        let line = |problem: &Problem| {
            let crate::yaml::Place { line, column, .. } = problem.place;
            format!("{line}:{column} {} | {}", problem.message, problem.remedy)
        };
        Policy::parse("policy.yaml", &format!("{BEGIN}{text}\n"), Some(Catalogue::built_in()))
            .map_err(|problems| problems.list().iter().map(line).collect())
    }

    #[test]
    fn a_suppression_covers_what_it_says_until_its_last_day_is_over() {
        let hash = "0123456789abcdef0123456789ABCDEF";
        let bytes = u128::from_str_radix(hash, 16).unwrap().to_be_bytes();
        let last_ms = 1_806_537_599_999;
        let table = [
            ("", [true, true, true, true]),
            ("principal: 'user:ann', ", [true, false, true, true]),
            ("application: chat, ", [true, true, false, true]),
            (&format!("value_hash: {hash}, "), [true, true, true, false]),
            (&format!("principal: 'user:ann', application: chat, value_hash: {hash}, "), [true, false, false, false]),
        ];
        for (given, [all, other_principal, other_application, other_value]) in table {
            let policy = policy(&format!("{{ rule: secret.aws_access_key, {given}{REST} }}")).unwrap();
            let covers = |principal, application, value, time_ms| {
                let mut facts = crate::score::tests::facts(principal, time_ms);
                facts.application = application;
                let covered = policy.suppressions[0].covers("secret.aws_access_key", &facts, value);
                assert!(policy.suppressions[0].covers("secret.other", &facts, value).is_none());
                covered.is_some()
            };
            assert_eq!(covers("ann", "chat", bytes, last_ms), all, "{given}");
            assert_eq!(covers("ben", "chat", bytes, last_ms), other_principal, "{given}");
            assert_eq!(covers("ann", "mail", bytes, last_ms), other_application, "{given}");
            assert_eq!(covers("ann", "chat", [0; 16], last_ms), other_value, "{given}");
            assert!(!covers("ann", "chat", bytes, last_ms + 1), "expired");
            assert!(!covers("ann", "chat", bytes, 0), "without a time");
        }
        let mut facts = crate::score::tests::facts("ann", last_ms);
        facts.principal = Principal { kind: PrincipalKind::Key, value: "ann" };
        facts.position = Position { topic: "t", partition: 0, offset: 0 };
        let policy =
            policy(&format!("{{ rule: policy.limit.tokens_per_minute, principal: 'user:ann', {REST} }}")).unwrap();
        assert!(policy.suppressions[0].covers("policy.limit.tokens_per_minute", &facts, [0; 16]).is_none());
    }

    #[test]
    fn problems_have_line_and_remedy() {
        let rule = "rule: secret.aws_access_key";
        let table = [
            (
                format!("{{ {rule}, approver: a, expires: 2027-03-31 }}"),
                "3:5 suppressions[0].reason is missing | add it: Why this is no alert.",
            ),
            (
                format!("{{ {rule}, reason: r, expires: 2027-03-31 }}"),
                "3:5 suppressions[0].approver is missing | add it: Who approved it.",
            ),
            (
                format!("{{ {rule}, reason: r, approver: a }}"),
                "3:5 suppressions[0].expires is missing | add it: The last day",
            ),
            (
                format!("rule: secret.aws_acess_key\n    {}", REST.replace(", ", "\n    ")),
                "3:11 there is no rule `secret.aws_acess_key` to suppress | did you mean `secret.aws_access_key`?",
            ),
            (
                format!("{rule}\n    reason: ' '\n    approver: a\n    expires: 2027-03-31"),
                "4:13 the reason is empty | an auditor asks",
            ),
            (
                format!("{rule}\n    reason: r\n    approver: a\n    expires: 2027-13-31"),
                "6:14 suppressions[0].expires: `2027-13-31` is not a day | write the last day",
            ),
            (
                format!("{rule}\n    reason: r\n    approver: a\n    expires: never"),
                "6:14 suppressions[0].expires: `never` is not a day",
            ),
            (
                format!("{rule}\n    principal: ann\n    {}", REST.replace(", ", "\n    ")),
                "4:16 this is no principal | write it as the tables do",
            ),
            (
                format!("{rule}\n    value_hash: AKIA\n    {}", REST.replace(", ", "\n    ")),
                "4:17 this is no hash of a value | copy the 32 hex digits",
            ),
            (
                format!("{rule}\n    user: ann\n    {}", REST.replace(", ", "\n    ")),
                "4:5 suppressions[0].user is not a key that weir knows",
            ),
        ];
        for (text, says) in table {
            let found = policy(&text).err().unwrap_or_else(|| panic!("{text} is refused"));
            assert!(found.len() == 1 && found[0].starts_with(says), "{text}: {found:#?}");
        }
    }

    #[test]
    fn what_expires_is_said_in_time() {
        let policy = policy(&format!("{{ rule: secret.aws_access_key, {REST} }}")).unwrap();
        let end_ms = 1_806_537_600_000;
        let said = |now_ms| policy.suppressions[0].expiring("policy.yaml", now_ms);
        assert_eq!(said(end_ms - 15 * super::DAY_MS), None);
        let soon = said(end_ms - super::DAY_MS).unwrap();
        assert!(soon.starts_with("policy.yaml:3: the suppression of `secret.aws_access_key`, approved by ann@example.org, expires with 2027-03-31"), "{soon}");
        assert!(said(end_ms).unwrap().contains("expired with 2027-03-31: its findings are alerts again"));
    }
}

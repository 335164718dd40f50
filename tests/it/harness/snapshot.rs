//! What came of a run, without what may differ between two runs over the same topic: rows without block columns,
//! alerts by key and in order, the latest state of each principal without markers.

use super::kafka::{Isolation, Record};
use super::site::Site;
use std::collections::BTreeMap;
use std::fmt;

/// Tables whose rows are functions of the input alone. Where coverage rows begin and end is a matter of timing.
const TABLES: [&str; 3] = ["interactions", "findings", "dead_letters"];

/// What the materialised view counts, however its rows are merged by now.
const HOURS: &str = "SELECT hour, principal, application, provider, model, sum(interactions), sum(failed), \
    sum(input_tokens), sum(output_tokens), sum(without_tokens), sum(input_bytes), sum(output_bytes), sum(unscanned), \
    sum(findings), max(max_severity), min(first_time), max(last_time) \
    FROM principal_hours GROUP BY hour, principal, application, provider, model ORDER BY ALL";

/// The key of the marker in weir.state.
const MARKER: &str = "marker";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// By table, and `alerts` and `states`; sorted.
    parts: BTreeMap<&'static str, Vec<String>>,
}

/// What two runs do not have in common, of one table or topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub part: &'static str,
    pub lost: Vec<String>,
    /// There once more than they should be, or not expected at all.
    pub extra: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} lost, {} extra", self.part, self.lost.len(), self.extra.len())?;
        for (what, rows) in [("lost", &self.lost), ("extra", &self.extra)] {
            for row in rows.iter().take(2) {
                let shown: String = row.chars().take(400).collect();
                write!(f, "\n    {what}: {shown}")?;
            }
        }
        Ok(())
    }
}

impl Snapshot {
    pub fn take(site: &Site) -> Self {
        let mut parts = BTreeMap::new();
        for table in TABLES {
            parts.insert(
                table,
                site.db.lines(&format!("SELECT * EXCEPT (block_time, block_id) FROM {table} ORDER BY ALL")),
            );
        }
        parts.insert("principal_hours", site.db.lines(HOURS));
        parts.insert("alerts", alerts(site));
        parts.insert("states", states(site));
        Snapshot { parts }
    }

    pub fn len(&self, part: &str) -> usize {
        self.parts[part].len()
    }

    /// What this one has otherwise than it should.
    pub fn differences(&self, expected: &Snapshot) -> Vec<Difference> {
        let mut differences = Vec::new();
        for (part, expected) in &expected.parts {
            let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
            expected.iter().for_each(|row| *counts.entry(row).or_default() -= 1);
            self.parts[part].iter().for_each(|row| *counts.entry(row).or_default() += 1);
            let rows = |sign: i64| -> Vec<String> {
                let of = |(row, count): (&&str, &i64)| vec![row.to_string(); (count * sign).max(0) as usize];
                counts.iter().flat_map(of).collect()
            };
            let (lost, extra) = (rows(-1), rows(1));
            if !lost.is_empty() || !extra.is_empty() {
                differences.push(Difference { part, lost, extra });
            }
        }
        differences
    }

    /// Panics with what differs.
    pub fn assert_equal(&self, expected: &Snapshot, what: &str) {
        let differences = self.differences(expected);
        let shown: Vec<String> = differences.iter().map(Difference::to_string).collect();
        assert!(differences.is_empty(), "{what}: differs from the undisturbed run\n{}", shown.join("\n"));
    }

    /// One line about its size.
    pub fn summary(&self) -> String {
        let parts: Vec<String> = self.parts.iter().map(|(part, rows)| format!("{} {part}", rows.len())).collect();
        parts.join(", ")
    }
}

/// Each alert with its number among those of its key: order within a key belongs to the promise, order between
/// keys does not.
fn alerts(site: &Site) -> Vec<String> {
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let mut alerts = Vec::new();
    for alert in site.kafka.dump(&site.topic("alerts"), Isolation::Committed) {
        let key = alert.key_text();
        let number = numbers.entry(key.clone()).or_default();
        *number += 1;
        let headers: Vec<String> =
            alert.headers.iter().map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value))).collect();
        // An alert names the database in which its finding is looked up: each site has its own.
        let value = String::from_utf8_lossy(alert.value.as_deref().unwrap_or_default());
        let value = value.replace(&site.database, "weir");
        alerts.push(format!("{key} {number} {headers:?} {value}"));
    }
    alerts.sort();
    alerts
}

fn states(site: &Site) -> Vec<String> {
    let mut latest: BTreeMap<(i32, String), Record> = BTreeMap::new();
    for record in site.kafka.dump(&site.topic("state"), Isolation::Committed) {
        latest.insert((record.partition, record.key_text()), record);
    }
    let shown = |((partition, key), record): ((i32, String), Record)| {
        let value = record.value?;
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        (key != MARKER).then(|| format!("{partition} {key} {hex}"))
    };
    latest.into_iter().filter_map(shown).collect()
}

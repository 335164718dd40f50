//! The queries of the README, as they stand there, over a run with planted incidents: each is understood and answers,
//! and what a materialised view counts is what is there.

use crate::harness::site::Site;
use crate::harness::traffic::END_MS;

/// Says of a query that its answer should be empty.
const EMPTY: &str = "No rows";

/// A query of the README: what it asks, and its SQL.
struct Query<'r> {
    question: &'r str,
    sql: &'r str,
}

/// Every block of SQL in a Markdown text.
fn queries(text: &str) -> Vec<Query<'_>> {
    let blocks = text.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default().trim());
    blocks
        .map(|sql| {
            let question = sql.lines().next().and_then(|line| line.strip_prefix("-- "));
            Query { question: question.expect("a query begins with its question"), sql: sql.trim_end_matches(';') }
        })
        .collect()
}

/// Asks every query of the README on a site that was filled up to `END_MS`, and holds the view to what it counts.
pub fn assert_answers(site: &Site) {
    let readme = include_str!("../../README.md");
    let alert = site.db.lines("SELECT alert_uid FROM findings WHERE isNotNull(alert_uid) ORDER BY alert_uid LIMIT 1");
    let fixed = |sql: &str| {
        sql.replace("now()", &format!("toDateTime({})", END_MS / 1_000))
            .replace("{alert:UUID}", &format!("toUUID('{}')", alert[0]))
            .replace("weir.", &format!("{}.", site.database))
    };
    let queries = queries(readme);
    assert!(queries.len() >= 13, "the README has {} queries", queries.len());
    for Query { question, sql } in queries {
        let rows = site.db.lines(&fixed(sql));
        assert_eq!(rows.is_empty(), question.contains(EMPTY), "{question}\n{}", rows.join("\n"));
        if question.contains("Three equal numbers") {
            let numbers: Vec<&str> = rows[0].split('\t').collect();
            assert!(numbers.iter().all(|number| *number == numbers[0]), "{question} {numbers:?}");
        }
    }
    assert_hours_agree(site);
}

/// The view has added up what is in the table, whatever was sent twice.
fn assert_hours_agree(site: &Site) {
    let calls = "SELECT toStartOfHour(time) AS hour, principal, application, provider, model, count(), \
         countIf(status >= 400), sum(ifNull(input_tokens, 0)), sum(ifNull(output_tokens, 0)), sum(input_bytes), \
         sum(output_bytes), sum(findings), max(max_severity), min(time), max(time) \
         FROM interactions GROUP BY ALL ORDER BY ALL";
    let hours = "SELECT hour, principal, application, provider, model, sum(interactions), sum(failed), \
         sum(input_tokens), sum(output_tokens), sum(input_bytes), sum(output_bytes), sum(findings), \
         max(max_severity), min(first_time), max(last_time) \
         FROM principal_hours GROUP BY hour, principal, application, provider, model ORDER BY ALL";
    assert_eq!(site.db.lines(hours), site.db.lines(calls), "principal_hours counts otherwise than interactions holds");
}

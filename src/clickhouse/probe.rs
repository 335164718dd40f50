//! Whether ClickHouse would take what store sends: it answers, is new enough, has the schema, and lets weir's user
//! insert and look for what it inserted.
//!
//! Permissions are tried, not read: an insert of no rows and a question that reads none go through the same checks as
//! those of the service. Nothing is changed, and nothing is repeated.

use super::schema::{self, SchemaError, Status};
use super::{Client, Failure, insert};
use crate::probe::Finding;
use crate::tables;

/// The oldest release that weir is meant for, year and month. It is the oldest long-term one that was still mended
/// when this was written; tests run against a newer one.
const OLDEST: (u32, u32) = (24, 8);

/// Error codes of ClickHouse that say who may do what.
const WRONG_PASSWORD: &[u32] = &[
    192, // UNKNOWN_USER
    193, // WRONG_PASSWORD
    194, // REQUIRED_PASSWORD
    516, // AUTHENTICATION_FAILED
];
const NOT_ENOUGH_PRIVILEGES: u32 = 497;

/// The insert was allowed, and there was nothing to do.
const NO_DATA_TO_INSERT: u32 = 108;

/// Looks at everything that store needs. `url` and `user` are for messages.
pub async fn look(client: &Client, url: &str, user: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    match client.version().await {
        Ok(version) => findings.push(server(&version, url)),
        Err(failure) => {
            findings.push(unreachable(&failure, url, user));
            return findings;
        }
    }
    findings.extend(settings(client).await);
    if schema(client, &mut findings).await {
        for table in tables::NAMES {
            findings.push(insertable(client, table, user).await);
            findings.push(readable(client, table, user).await);
        }
    }
    findings
}

fn server(version: &str, url: &str) -> Finding {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
    let found = (numbers.next().flatten().unwrap_or(0), numbers.next().flatten().unwrap_or(0));
    if found < OLDEST {
        let (year, month) = OLDEST;
        return Finding::wrong(
            "server",
            format!("is version {version}"),
            format!("upgrade it to {year}.{month} or newer"),
        );
    }
    Finding::ok("server", format!("version {version} at {url}"))
}

fn unreachable(failure: &Failure, url: &str, user: &str) -> Finding {
    let remedy = match failure.code {
        Some(code) if WRONG_PASSWORD.contains(&code) => {
            format!("check clickhouse.user (`{user}`) and clickhouse.password, and from where the user may come")
        }
        Some(_) => format!("see what the server says in its log; the question was who it is, as `{user}`"),
        None => format!("check clickhouse.url ({url}): scheme, host, and the HTTP port (8123, or 8443 for https)"),
    };
    Finding::wrong("server", failure.to_string(), remedy)
}

/// Settings that an insert names: one that the server does not know would make it refuse every insert.
async fn settings(client: &Client) -> Option<Finding> {
    // `decompress` and `wait_end_of_query` belong to the HTTP interface.
    let names = insert::PINNED.iter().map(|(name, _)| *name).chain(["insert_deduplication_token"]);
    let names: Vec<&str> = names.filter(|name| !["decompress", "wait_end_of_query"].contains(name)).collect();
    let sql = format!("SELECT name FROM system.settings WHERE name IN ('{}')", names.join("', '"));
    let known = match client.query_json(&sql).await {
        Ok(rows) => rows,
        Err(failure) => {
            let remedy = "let weir's user read system.settings";
            return Some(Finding::wrong("settings", failure.to_string(), remedy));
        }
    };
    let missing: Vec<&str> =
        names.into_iter().filter(|name| !known.iter().any(|row| row["name"].as_str() == Some(name))).collect();
    (!missing.is_empty()).then(|| {
        Finding::wrong("settings", format!("the server does not know {}", missing.join(", ")), "upgrade the server")
    })
}

/// Whether the tables are as they must be; `false` when there are none to be looked at.
async fn schema(client: &Client, findings: &mut Vec<Finding>) -> bool {
    let about = || format!("database {}", client.database());
    match schema::check(client).await {
        Ok(_) => {
            let status =
                schema::status(client).await.map_or_else(|failure| failure.to_string(), |status| status.to_string());
            findings.push(Finding::ok(about(), status));
            true
        }
        Err(SchemaError::Version(status)) => {
            let there = !matches!(status, Status::Missing);
            findings.push(Finding::wrong(about(), status.to_string(), "weir schema apply -c FILE"));
            there
        }
        Err(SchemaError::Tables(problems)) => {
            // Each names its own remedy.
            let split = |problem: &String| {
                let (found, remedy) =
                    problem.split_once("; ").unwrap_or((problem, "compare `weir schema status -c FILE`"));
                Finding::wrong(about(), found, remedy)
            };
            findings.extend(problems.iter().map(split));
            true
        }
        Err(SchemaError::Unreachable(failure)) => {
            let remedy = "let weir's user read the database and system.tables, columns and settings";
            findings.push(Finding::wrong(about(), failure.to_string(), remedy));
            false
        }
    }
}

async fn insertable(client: &Client, table: &str, user: &str) -> Finding {
    let about = format!("insert into {table}");
    let sql = format!("INSERT INTO `{}`.`{table}` FORMAT JSONEachRow", client.database());
    match client.execute(&sql, &[("async_insert", "0")]).await {
        Ok(()) | Err(Failure { code: Some(NO_DATA_TO_INSERT), .. }) => Finding::ok(about, "allowed"),
        Err(failure) => refused(about, &failure, &format!("GRANT INSERT ON {}.{table} TO {user}", client.database())),
    }
}

/// Store asks by `block_id` whether a group is there already.
async fn readable(client: &Client, table: &str, user: &str) -> Finding {
    let about = format!("select from {table}");
    match client.block_present(table, &[0; 16], 0).await {
        Ok(_) => Finding::ok(about, "allowed"),
        Err(failure) => refused(about, &failure, &format!("GRANT SELECT ON {}.{table} TO {user}", client.database())),
    }
}

fn refused(about: String, failure: &Failure, grant: &str) -> Finding {
    let remedy = match failure.code {
        Some(NOT_ENOUGH_PRIVILEGES) => grant,
        _ => "compare `weir schema status -c FILE`, and see what the server says in its log",
    };
    Finding::wrong(about, failure.to_string(), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_server_is_told() {
        for (version, is_wrong) in [("24.8.1.1", false), ("26.7.2.1", false), ("24.7.9.9", true), ("x", true)] {
            assert_eq!(server(version, "http://c:8123").is_wrong(), is_wrong, "{version}");
        }
    }

    #[test]
    fn who_may_not_come_in_is_told_to_look_at_the_password() {
        let about = |text: &str| match unreachable(&Failure::from_response(text), "http://c:8123", "weir").outcome {
            crate::probe::Outcome::Wrong { remedy, .. } => remedy,
            crate::probe::Outcome::Ok { found } => panic!("{found}"),
        };
        assert!(about("Code: 516. DB::Exception: x").contains("clickhouse.password"));
        assert!(about("502 Bad Gateway").contains("clickhouse.url (http://c:8123)"));
    }
}

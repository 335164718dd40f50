//! Questions to ClickHouse, over HTTP.

use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Longest answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A database.
pub struct ClickHouse {
    client: clickhouse::Client,
    runtime: Runtime,
}

impl ClickHouse {
    pub fn new(url: &str, database: &str) -> Self {
        let or = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.into());
        let client = clickhouse::Client::default()
            .with_url(url)
            .with_user(or("CLICKHOUSE_USER", "default"))
            .with_password(or("CLICKHOUSE_PASSWORD", ""))
            .with_database(database);
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        ClickHouse { client, runtime }
    }

    /// The answer in a format; the error is the server's.
    pub fn ask(&self, sql: &str, format: &str) -> Result<String, String> {
        let work = async {
            let mut cursor = self.client.query(&sql.replace('?', "??")).fetch_bytes(format)?;
            cursor.collect().await
        };
        let bytes = self
            .runtime
            .block_on(async { tokio::time::timeout(TIMEOUT, work).await })
            .map_err(|_| format!("no answer within {} s", TIMEOUT.as_secs()))?
            .map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// One line a row, columns separated by tabs.
    pub fn lines(&self, sql: &str) -> Vec<String> {
        let text = self.ask(sql, "TSV").unwrap_or_else(|error| panic!("{sql}: {error}"));
        text.lines().map(str::to_owned).collect()
    }

    /// One object a row; 64-bit numbers as numbers.
    pub fn rows(&self, sql: &str) -> Vec<serde_json::Value> {
        let sql = format!("{sql} SETTINGS output_format_json_quote_64bit_integers = 0");
        let text = self.ask(&sql, "JSONEachRow").unwrap_or_else(|error| panic!("{sql}: {error}"));
        text.lines().map(|line| serde_json::from_str(line).expect("JSONEachRow gives JSON")).collect()
    }

    pub fn count(&self, sql: &str) -> u64 {
        self.lines(sql).first().and_then(|line| line.parse().ok()).unwrap_or_else(|| panic!("{sql}: no number"))
    }

    pub fn run(&self, sql: &str) {
        let done = self.runtime.block_on(self.client.query(&sql.replace('?', "??")).execute());
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

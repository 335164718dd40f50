//! Questions to ClickHouse: few, small, and never on the way of a row.
//!
//! Results are JSON rows. Nothing here is fit for reading a table as a whole.

use super::{Client, Failure, QUERY_TIMEOUT, within};
use crate::model::uid::Uid;
use serde_json::Value;

impl Client {
    /// The server's version; succeeds when the server answers and takes our name and password.
    pub async fn version(&self) -> Result<String, Failure> {
        let rows = self.query_json("SELECT version() AS version").await?;
        match rows.first().and_then(|row| row["version"].as_str()) {
            Some(version) => Ok(version.to_owned()),
            None => Err(Failure::local("ClickHouse gave no version: is this its HTTP port?")),
        }
    }

    /// The rows of a `SELECT`, which must name the database of each table.
    pub async fn query_json(&self, sql: &str) -> Result<Vec<Value>, Failure> {
        let request = async { self.http.query_raw(sql).fetch_bytes("JSONEachRow")?.collect().await };
        let bytes = within(QUERY_TIMEOUT, request).await?;
        let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).map_err(|_| Failure::local("the answer is not rows of JSON")))
            .collect()
    }

    /// Whether a block was inserted. One insert is one part, so any of its rows means all of its group's rows.
    ///
    /// The time belongs to the question: by it the server reads the parts of that moment and no others.
    pub async fn block_present(&self, table: &str, block_id: &[u8; 16], block_time_ms: i64) -> Result<bool, Failure> {
        let sql = format!(
            "SELECT 1 FROM `{}`.`{table}` WHERE block_time = fromUnixTimestamp64Milli({block_time_ms}, 'UTC') \
             AND block_id = toUUID('{}') LIMIT 1",
            self.database,
            Uid(*block_id)
        );
        Ok(!self.query_json(&sql).await?.is_empty())
    }

    /// Runs a statement that returns nothing.
    pub(super) async fn execute(&self, sql: &str, settings: &[(&str, &str)]) -> Result<(), Failure> {
        let mut query = self.http.query_raw(sql).with_setting("wait_end_of_query", "1");
        for (name, value) in settings {
            query = query.with_setting(*name, *value);
        }
        within(QUERY_TIMEOUT, query.execute()).await
    }
}

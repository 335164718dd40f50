//! Everything that weir says to Kafka.

/// How to reach Kafka and under which names.
#[derive(Clone, Debug)]
pub struct Config {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// Prefix of the three consumer groups.
    pub group: String,
    /// Static member and owner of transactions.
    pub instance: String,
    pub commit_interval_ms: u64,
    pub session_timeout_ms: u64,
    /// Further librdkafka properties (security among them), already checked.
    pub properties: Vec<(String, String)>,
    pub topics: Topics,
}

/// The names of weir's own topics and how to make them.
#[derive(Clone, Debug)]
pub struct Topics {
    /// `weir.` by default.
    pub prefix: String,
    /// The broker's default when absent.
    pub replication: Option<i32>,
    pub facts_partitions: i32,
    pub outbox_partitions: i32,
    pub alerts_partitions: i32,
    /// How long facts stay after they were scored, in ms.
    pub facts_keep_ms: i64,
}

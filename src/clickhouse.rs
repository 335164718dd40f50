//! Everything that weir says to ClickHouse: checking and changing the schema, inserting blocks, asking.
//!
//! It speaks HTTP through the `clickhouse` crate, with timeouts on everything, which the crate does not set by
//! itself. Blocks go out as they are: the crate is told that there is no compression and the server that there
//! is, so that nothing is encoded twice. When to insert and what to do after an error is the store loop's
//! matter; nothing here repeats a request.

pub mod insert;
pub mod query;
pub mod schema;

use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::error::Error as _;
use std::future::Future;
use std::time::Duration;

/// How long a connection may take. A server that lives answers in milliseconds; a dead address should not hold
/// up the retry that would reach its successor.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a query or a statement may take.
const QUERY_TIMEOUT: Duration = Duration::from_secs(60);

/// How long an idle connection is kept: less than the 3 s after which older servers close theirs.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest text of the server's that goes into an error.
const MESSAGE_MAX_CHARS: usize = 200;

/// How to reach ClickHouse.
#[derive(Clone)]
pub struct Config {
    /// `http://host:8123`
    pub url: String,
    pub database: String,
    pub user: String,
    pub password: String,
    /// How long rows of `interactions`, `findings` and `dead_letters` stay, in days.
    pub retention_days: u32,
}

/// A configuration that cannot work, found before anything is sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("clickhouse.url {0:?} does not begin with http:// (this build speaks no TLS: put a TLS proxy beside weir)")]
    Url(String),
    #[error(
        "clickhouse.database {0:?} is no name: letters, digits and _ are allowed, and it begins with a letter or _"
    )]
    Database(String),
    #[error("clickhouse.retention must be at least one day")]
    Retention,
}

/// A connection pool to one server. Cheap to clone; to be used within a tokio runtime with I/O and time enabled.
#[derive(Clone)]
pub struct Client {
    http: ::clickhouse::Client,
    database: String,
    retention_days: u32,
}

impl Client {
    /// Connects to nothing yet.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        if config.url.strip_prefix("http://").is_none_or(str::is_empty) {
            return Err(ConfigError::Url(config.url.clone()));
        }
        if !is_identifier(&config.database) {
            return Err(ConfigError::Database(config.database.clone()));
        }
        if config.retention_days == 0 {
            return Err(ConfigError::Retention);
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let pool = HttpClient::builder(TokioExecutor::new()).pool_idle_timeout(IDLE_TIMEOUT).build(connector);
        let http = ::clickhouse::Client::with_http_client(pool)
            .with_url(&config.url)
            .with_user(&config.user)
            .with_password(&config.password)
            .with_compression(::clickhouse::Compression::None)
            .with_product_info("weir", env!("CARGO_PKG_VERSION"));
        Ok(Client { http, database: config.database.clone(), retention_days: config.retention_days })
    }

    /// The database that holds weir's tables.
    pub fn database(&self) -> &str {
        &self.database
    }
}

/// Names go into statements, so nothing that would need quoting is let in.
fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Why a request did not succeed. Holds no values: what the server quotes is cut out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    /// ClickHouse's error code; `None` when the server did not answer, so that the outcome is unknown.
    pub code: Option<u32>,
    text: String,
}

impl Failure {
    fn timeout(limit: Duration) -> Self {
        Failure { code: None, text: format!("ClickHouse did not answer within {} s", limit.as_secs()) }
    }

    fn local(text: impl Into<String>) -> Self {
        Failure { code: None, text: text.into() }
    }

    fn from_response(text: &str) -> Self {
        let Some(answer) = Answer::parse(text) else {
            // A proxy's words, or a bare HTTP status: `502 Bad Gateway`.
            return Failure { code: None, text: format!("the answer is not ClickHouse's: {}", unquoted(text)) };
        };
        let Answer { code, name, message } = answer;
        let mut text = format!("ClickHouse error {code} {name}: {}", unquoted(message));
        if let Some(remedy) = remedy(code) {
            text = format!("{}; {remedy}", text.trim_end_matches('.'));
        }
        Failure { code: Some(code), text }
    }
}

/// What helps, where the server's words do not say it.
fn remedy(code: u32) -> Option<&'static str> {
    Some(match code {
        192..=194 | 516 => "check clickhouse.user and clickhouse.password (CLICKHOUSE_USER, CLICKHOUSE_PASSWORD)",
        241 => "give the server more memory, or less to do",
        243 => "make room on the server's disk, or shorten clickhouse.retention and run `weir schema apply -c FILE`",
        252 => "look into system.parts and system.merges: the server merges slower than rows come",
        497 => "grant weir's user what it needs: SELECT and INSERT on its database, and SELECT on system tables",
        _ => return None,
    })
}

impl From<::clickhouse::error::Error> for Failure {
    fn from(error: ::clickhouse::error::Error) -> Self {
        if let ::clickhouse::error::Error::BadResponse(text) = &error {
            return Failure::from_response(text);
        }
        let mut text = format!("ClickHouse cannot be reached: {error}");
        let mut source = error.source().and_then(|error| error.source());
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Failure { code: None, text }
    }
}

/// The parts of `Code: 60. DB::Exception: Table … does not exist. (UNKNOWN_TABLE) (version …)`.
struct Answer<'t> {
    code: u32,
    name: &'t str,
    message: &'t str,
}

impl<'t> Answer<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        let rest = text.strip_prefix("Code: ")?;
        let (code, rest) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
        let message = rest.split_once("Exception: ").map_or("", |(_, message)| message);
        let message = message.rsplit_once(" (version ").map_or(message, |(message, _)| message).trim_end();
        let (message, name) = match message.strip_suffix(')').and_then(|message| message.rsplit_once(" (")) {
            Some((message, name)) if name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') => {
                (message, name)
            }
            _ => (message, ""),
        };
        Some(Answer { code: code.parse().ok()?, name, message })
    }
}

/// A server's message without what it quotes, since that may be data: everything from the first quotation mark
/// to the last is left out, because values may hold such marks themselves.
fn unquoted(message: &str) -> String {
    let mark = |c: char| matches!(c, '\'' | '"' | '`' | '‘' | '’' | '“' | '”');
    let kept = match (message.find(mark), message.rfind(mark)) {
        (Some(first), Some(last)) => {
            let after = message[last..].chars().next().map_or(last, |mark| last + mark.len_utf8());
            format!("{}…{}", &message[..first], &message[after..])
        }
        _ => message.to_owned(),
    };
    let mut short: String =
        kept.chars().take(MESSAGE_MAX_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if kept.chars().nth(MESSAGE_MAX_CHARS).is_some() {
        short.push('…');
    }
    short
}

/// Awaits a request no longer than `limit`.
async fn within<T>(
    limit: Duration,
    request: impl Future<Output = ::clickhouse::error::Result<T>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, request).await {
        Ok(outcome) => outcome.map_err(Failure::from),
        Err(_) => Err(Failure::timeout(limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_the_code_and_no_quoted_text() {
        let table = [
            (
                "Code: 60. DB::Exception: Table weir.findings does not exist. (UNKNOWN_TABLE) (version 26.7.2.1)",
                Some(60),
                "ClickHouse error 60 UNKNOWN_TABLE: Table weir.findings does not exist.",
            ),
            (
                "Code: 53. DB::Exception: Cannot parse 'it's `secret`' as number: at 'x'. (TYPE_MISMATCH) (version 1)",
                Some(53),
                "ClickHouse error 53 TYPE_MISMATCH: Cannot parse ….",
            ),
            (
                "Code: 241. DB::Exception: doesn't fit, said \"someone\"\nat once (MEMORY_LIMIT_EXCEEDED)",
                Some(241),
                "ClickHouse error 241 MEMORY_LIMIT_EXCEEDED: doesn… at once; give the server more memory, or less to do",
            ),
            ("Code: 999", Some(999), "ClickHouse error 999 : "),
            ("502 Bad Gateway", None, "the answer is not ClickHouse's: 502 Bad Gateway"),
        ];
        for (text, code, expected) in table {
            let failure = Failure::from_response(text);
            assert_eq!((failure.code, failure.to_string().as_str()), (code, expected));
        }
        assert_eq!(unquoted(&"x".repeat(500)).chars().count(), MESSAGE_MAX_CHARS + 1);
    }

    #[test]
    fn a_configuration_that_cannot_work_is_refused() {
        let good = Config {
            url: "http://localhost:8123".into(),
            database: "weir_1".into(),
            user: "default".into(),
            password: String::new(),
            retention_days: 400,
        };
        assert!(Client::new(&good).is_ok());
        let refused = |change: fn(&mut Config)| {
            let mut bad = good.clone();
            change(&mut bad);
            Client::new(&bad).err()
        };
        assert!(matches!(refused(|c| c.url = "https://localhost:8443".into()), Some(ConfigError::Url(_))));
        assert!(matches!(refused(|c| c.database = "a`; DROP".into()), Some(ConfigError::Database(_))));
        assert!(matches!(refused(|c| c.database = "1a".into()), Some(ConfigError::Database(_))));
        assert!(matches!(refused(|c| c.retention_days = 0), Some(ConfigError::Retention)));
    }
}

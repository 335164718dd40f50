//! ClickHouse.

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

//! Who may do what in ClickHouse: the least that each role needs, as statements.
//!
//! Printed only: weir makes no users, and asks for no right to.

use super::{Client, schema};
use crate::tables;

/// Somebody who talks to ClickHouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `weir schema apply`.
    Migrator,
    /// `weir run`, `weir schema status`.
    Writer,
    /// People, dashboards and reports.
    Reader,
}

impl Role {
    pub const ALL: [Role; 3] = [Role::Migrator, Role::Writer, Role::Reader];

    /// Its name in ClickHouse: `weir_writer` for the database `weir`.
    pub fn name(self, client: &Client) -> String {
        let role = match self {
            Role::Migrator => "migrator",
            Role::Writer => "writer",
            Role::Reader => "reader",
        };
        format!("{}_{role}", client.database())
    }

    /// What it does, in a few words.
    pub fn purpose(self) -> &'static str {
        match self {
            Role::Migrator => "runs `weir schema plan` and `apply`",
            Role::Writer => "is what weir runs as; inserts rows, and asks whether a block of its own is there",
            Role::Reader => "is for people, dashboards and reports",
        }
    }

    /// What it may do, and where: `INSERT` and `` `weir`.`findings` ``.
    pub fn rights(self, client: &Client) -> Vec<(String, String)> {
        let database = client.database();
        let mut rights = Vec::new();
        let mut may = |what: &str, place: String| rights.push((what.to_owned(), place));
        let all = format!("`{database}`.*");
        match self {
            Role::Migrator => {
                may("CREATE DATABASE, CREATE TABLE, CREATE VIEW, SHOW TABLES, SHOW COLUMNS", all.clone());
                may(
                    "ALTER ADD COLUMN, ALTER MODIFY COLUMN, ALTER COMMENT COLUMN, ALTER TTL, ALTER SETTINGS",
                    all.clone(),
                );
                let replicated = client.cluster.as_ref().map_or("", |_| "Replicated");
                for engine in schema::ENGINES {
                    may("TABLE ENGINE", format!("{replicated}{engine}"));
                }
                // Views work with the rights of whoever made them.
                may("SELECT, INSERT", all);
                if client.cluster.is_some() {
                    may("CLUSTER", "*.*".to_owned());
                }
            }
            Role::Writer => {
                for table in tables::NAMES {
                    may("INSERT, SELECT(block_time, block_id)", format!("`{database}`.`{table}`"));
                }
                may("SELECT", format!("`{database}`.`schema_migrations`"));
                may("SHOW TABLES, SHOW COLUMNS", all);
            }
            Role::Reader => may("SELECT", all),
        }
        if self != Role::Reader {
            for table in schema::SYSTEM_TABLES {
                may("SELECT", format!("system.{table}"));
            }
        }
        rights
    }

    /// Statements that make the role and give it its rights.
    pub fn statements(self, client: &Client) -> Vec<String> {
        let name = self.name(client);
        let on_cluster = client.cluster.as_ref().map_or_else(String::new, |cluster| format!(" ON CLUSTER `{cluster}`"));
        let mut statements = vec![format!("CREATE ROLE IF NOT EXISTS `{name}`{on_cluster}")];
        let grants = self.rights(client).into_iter();
        statements.extend(grants.map(|(what, place)| format!("GRANT{on_cluster} {what} ON {place} TO `{name}`")));
        statements
    }
}

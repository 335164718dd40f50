//! The schema in ClickHouse: migrations, and the proof that a server has them.
//!
//! Migrations are numbered files, embedded, forward-only, and never changed once released: a database remembers
//! the checksum of each. `apply` runs what is missing. Two that run at once do the same and end in the same,
//! because every statement says `IF NOT EXISTS` or its like; but ClickHouse has no transactions over statements, so
//! of two migrations that *move data* only one may run: start one job, not one for each replica. A migration that stops half-way is run again as a whole.
//!
//! Whoever inserts needs a [`SchemaProof`], and only [`check`] makes one. Nothing here drops or moves anything.

use super::{Client, Failure};
use crate::tables;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// How many inserts a table must remember to know a repeated one. At 10 a second it is three hours, and the
/// store asks for the block by its id when it was away for longer.
pub const DEDUPLICATION_WINDOW: u64 = 100_000;

/// For how long a replicated table must remember an insert, however few came after it: 30 days, in seconds.
pub const DEDUPLICATION_SECONDS: u64 = 30 * 24 * 60 * 60;

/// How long the servers of a cluster may take over a statement: less than the request may, so that it is ClickHouse
/// that says which of them did not answer.
const CLUSTER_STATEMENT_SECONDS: &str = "45";

/// A step of the schema.
pub struct Migration {
    pub version: u32,
    pub name: &'static str,
    /// Statements, each ending in `;` at the end of a line. Filled in are `{database}`, `{retention_days}`,
    /// `{on_cluster}` (after the name of what is made or altered) and `{replicated}` (before the name of an engine of
    /// the MergeTree family); of the last two nothing is left without a cluster.
    pub sql: &'static str,
}

/// The engines of weir's tables, as they are without a cluster.
pub(super) const ENGINES: [&str; 2] = ["AggregatingMergeTree", "MergeTree"];

/// The tables of the server's own that are asked here.
pub(super) const SYSTEM_TABLES: [&str; 7] =
    ["clusters", "columns", "databases", "merge_tree_settings", "replicated_merge_tree_settings", "settings", "tables"];

/// Every migration, in the order of their versions, which have no holes.
pub const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "spine", sql: include_str!("../../deploy/clickhouse/migrations/0001_spine.sql") },
    Migration {
        version: 2,
        name: "principal_hours",
        sql: include_str!("../../deploy/clickhouse/migrations/0002_principal_hours.sql"),
    },
    Migration { version: 3, name: "layers", sql: include_str!("../../deploy/clickhouse/migrations/0003_layers.sql") },
];

impl Migration {
    /// SHA-256 of the file in hex, before anything is filled in: another retention is not another migration.
    pub fn checksum(&self) -> String {
        Sha256::digest(self.sql).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The statements, without comments, blank lines and the final semicolon.
    fn statements(&self, client: &Client) -> Vec<String> {
        let mut statements = vec![String::new()];
        for line in self.sql.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("--")) {
            let statement = statements.last_mut().expect("there is always one");
            let (line, ends) = line.strip_suffix(';').map_or((line, false), |line| (line, true));
            if !statement.is_empty() {
                statement.push('\n');
            }
            statement.push_str(line);
            if ends {
                statements.push(String::new());
            }
        }
        statements.retain(|statement| !statement.is_empty());
        statements.into_iter().map(|statement| fill(&statement, client)).collect()
    }

    fn step(&self, index: usize, client: &Client) -> Step {
        let title = format!("migration {} ({})", self.version, self.name);
        Step { title, statements: self.statements(client), migration: Some(index) }
    }
}

/// Puts what a configuration says into a statement.
fn fill(sql: &str, client: &Client) -> String {
    let (on_cluster, replicated) = match &client.cluster {
        Some(cluster) => (format!(" ON CLUSTER `{cluster}`"), "Replicated"),
        None => (String::new(), ""),
    };
    sql.replace("{database}", &client.database)
        .replace("{retention_days}", &client.retention_days.to_string())
        .replace("{on_cluster}", &on_cluster)
        .replace("{replicated}", replicated)
}

/// Which version this program needs.
fn needed() -> u32 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// How the server's schema stands to this program's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// As this program needs it.
    Current { version: u32 },
    /// The database or weir's tables are not there.
    Missing,
    /// Migrations are missing.
    Older { have: u32, need: u32 },
    /// A newer weir was here. Migrations only ever add, so this program can go on inserting.
    Newer { have: u32, need: u32 },
    /// What was applied as this version is not what this program knows by that number.
    Changed { version: u32 },
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Current { version } => write!(f, "the schema is at version {version}, as needed"),
            Status::Missing => write!(f, "the schema is missing: run `weir schema apply -c FILE`"),
            Status::Older { have, need } => write!(
                f,
                "the schema is at version {have} and version {need} is needed: run `weir schema apply -c FILE`"
            ),
            Status::Newer { have, need } => {
                write!(f, "the schema is at version {have}; this program knows version {need} and can use it")
            }
            Status::Changed { version } => write!(
                f,
                "migration {version} was applied with other contents than this program has: use the release that \
                 applied it, or a database of its own (`weir schema apply -c FILE` refuses to guess)"
            ),
        }
    }
}

/// Why nothing may be inserted.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error("the schema cannot be read: {0}")]
    Unreachable(#[from] Failure),
    #[error("{0}")]
    Version(Status),
    /// One line for each thing that is not as it must be, with its remedy.
    #[error("the tables are not as they must be: {}", .0.join("; "))]
    Tables(Vec<String>),
}

/// That the server's schema was found fit. To be had from [`check`] only.
#[derive(Clone, Debug)]
pub struct SchemaProof(Status);

impl SchemaProof {
    /// That the schema is newer than this program, which somebody may want to know.
    pub fn newer(&self) -> Option<&Status> {
        Some(&self.0).filter(|status| matches!(status, Status::Newer { .. }))
    }
}

/// What `apply` does next: statements, and the version that they bring, if any.
#[derive(Clone, Debug)]
pub struct Step {
    /// For people: `migration 1 (spine)`.
    pub title: String,
    pub statements: Vec<String>,
    migration: Option<usize>,
}

/// Compares versions and checksums.
pub async fn status(client: &Client) -> Result<Status, Failure> {
    Ok(compare(&applied(client).await?))
}

/// Checks that rows can be inserted exactly once: versions, columns, deduplication windows (of the targets of
/// materialised views too) and what the user's settings profile says.
pub async fn check(client: &Client) -> Result<SchemaProof, SchemaError> {
    let status = status(client).await?;
    if !matches!(status, Status::Current { .. } | Status::Newer { .. }) {
        return Err(SchemaError::Version(status));
    }
    let mut problems = cluster_problems(client).await?;
    let tables = server_tables(client).await?;
    problems.extend(column_problems(client, &columns(client).await?));
    problems.extend(engine_problems(client, &tables));
    problems.extend(window_problems(client, &tables, Windows::of(client).await?));
    problems.extend(setting_problems(client).await?);
    if problems.is_empty() { Ok(SchemaProof(status)) } else { Err(SchemaError::Tables(problems)) }
}

/// Every step that a server needs on which nothing is there, without asking one.
pub fn from_nothing(client: &Client) -> Vec<Step> {
    let mut steps = vec![preparation(client, false)];
    steps.extend(MIGRATIONS.iter().enumerate().map(|(index, migration)| migration.step(index, client)));
    steps
}

/// What [`apply`] would do.
pub async fn plan(client: &Client) -> Result<Vec<Step>, SchemaError> {
    let problems = cluster_problems(client).await?;
    if !problems.is_empty() {
        return Err(SchemaError::Tables(problems));
    }
    let applied = applied(client).await?;
    let status = compare(&applied);
    if let Status::Changed { .. } = status {
        return Err(SchemaError::Version(status));
    }
    let mut steps = Vec::new();
    if applied.is_empty() {
        let there = format!("SELECT name FROM system.databases WHERE name = '{}'", client.database);
        steps.push(preparation(client, !client.query_json(&there).await?.is_empty()));
    } else {
        steps.extend(retention(client).await?);
    }
    for (index, migration) in MIGRATIONS.iter().enumerate() {
        if !applied.contains_key(&migration.version) {
            steps.push(migration.step(index, client));
        }
    }
    Ok(steps)
}

/// Brings the schema to this program's version; `report` hears of each step before it is done. Does nothing when
/// nothing is to be done.
pub async fn apply(client: &Client, mut report: impl FnMut(&Step)) -> Result<Status, SchemaError> {
    let settings: &[(&str, &str)] = match client.cluster {
        Some(_) => &[("distributed_ddl_task_timeout", CLUSTER_STATEMENT_SECONDS)],
        None => &[],
    };
    for step in plan(client).await? {
        report(&step);
        for statement in &step.statements {
            client.execute(statement, settings).await?;
        }
        if let Some(index) = step.migration {
            note(client, &MIGRATIONS[index]).await?;
        }
    }
    Ok(status(client).await?)
}

/// Notes that a migration was applied. Two that apply at once both note it, which does no harm.
async fn note(client: &Client, migration: &Migration) -> Result<(), Failure> {
    let Migration { version, name, .. } = migration;
    let sql = format!(
        "INSERT INTO `{}`.schema_migrations (version, name, checksum, applied_by) VALUES \
         ({version}, '{name}', '{}', concat(currentUser(), ' with weir {}'))",
        client.database,
        migration.checksum(),
        env!("CARGO_PKG_VERSION")
    );
    client.execute(&sql, &[("async_insert", "0")]).await
}

/// The checksums of what was applied, by version. Two that differ for one version make one that is nobody's.
async fn applied(client: &Client) -> Result<BTreeMap<u32, String>, Failure> {
    let sql = format!(
        "SELECT version, arrayStringConcat(groupUniqArray(checksum), ' and ') AS checksum \
         FROM `{}`.schema_migrations GROUP BY version",
        client.database
    );
    let rows = match client.query_json(&sql).await {
        // UNKNOWN_TABLE, UNKNOWN_DATABASE
        Err(Failure { code: Some(60 | 81), .. }) => return Ok(BTreeMap::new()),
        rows => rows?,
    };
    let entry = |row: &Value| Some((u32::try_from(row["version"].as_u64()?).ok()?, text(row, "checksum")));
    rows.iter().map(|row| entry(row).ok_or_else(|| Failure::local("schema_migrations is not weir's table"))).collect()
}

fn compare(applied: &BTreeMap<u32, String>) -> Status {
    let changed = |migration: &&Migration| {
        applied.get(&migration.version).is_some_and(|checksum| *checksum != migration.checksum())
    };
    if let Some(migration) = MIGRATIONS.iter().find(changed) {
        return Status::Changed { version: migration.version };
    }
    let need = needed();
    let have = MIGRATIONS.iter().take_while(|migration| applied.contains_key(&migration.version)).count() as u32;
    match applied.last_key_value() {
        None => Status::Missing,
        Some(_) if have < need => Status::Older { have, need },
        Some((&newest, _)) if newest > need => Status::Newer { have: newest, need },
        Some(_) => Status::Current { version: need },
    }
}

/// Database and table of migrations. A user who may not create databases can use one that is there.
fn preparation(client: &Client, has_database: bool) -> Step {
    let mut statements = Vec::new();
    if !has_database {
        statements.push(fill("CREATE DATABASE IF NOT EXISTS `{database}`{on_cluster}", client));
    }
    statements.push(fill(
        "CREATE TABLE IF NOT EXISTS `{database}`.schema_migrations{on_cluster}
(
    \
         version UInt32,
    name String,
    checksum String COMMENT 'SHA-256 of the file',
    \
         applied_at DateTime64(3, 'UTC') DEFAULT now64(3),
    applied_by String
)
\
         ENGINE = {replicated}MergeTree
ORDER BY version
\
         COMMENT 'Which migrations of weir were applied'",
        client,
    ));
    Step { title: "database and table of migrations".into(), statements, migration: None }
}

/// What keeps a cluster from holding every row once.
async fn cluster_problems(client: &Client) -> Result<Vec<String>, Failure> {
    let Some(cluster) = &client.cluster else { return Ok(Vec::new()) };
    let sql =
        format!("SELECT toUInt32(uniqExact(shard_num)) AS shards FROM system.clusters WHERE cluster = '{cluster}'");
    let rows = client.query_json(&sql).await?;
    let shards = rows.first().and_then(|row| row["shards"].as_u64()).unwrap_or(0);
    Ok(match shards {
        0 => vec![format!(
            "this server knows no cluster {cluster}: correct clickhouse.cluster (SELECT cluster FROM system.clusters), or \
             define it under remote_servers"
        )],
        1 => Vec::new(),
        // A repeated insert is known to the replicas of one shard only; through another it would be doubled.
        _ => vec![format!(
            "the cluster {cluster} has {shards} shards: rows would be found on one of them only, and a repeated insert \
             through another would be doubled. Name a cluster of one shard, with as many replicas as you like"
        )],
    })
}

/// Tables that are on one server although a cluster is named.
fn engine_problems(client: &Client, tables: &[ServerTable]) -> Vec<String> {
    let Some(cluster) = &client.cluster else { return Vec::new() };
    let alone = tables.iter().filter(|table| is_ours(client, table) && !table.is_replicated());
    let problem = |table: &ServerTable| {
        format!(
            "{}.{} is a {}, of this server alone, but clickhouse.cluster says {cluster}: it was made before. Leave \
             clickhouse.cluster out, or use another clickhouse.database",
            table.database, table.name, table.engine
        )
    };
    alone.map(problem).collect()
}

/// Brings tables whose rows expire to the configured retention. A table whose TTL was taken away or written
/// otherwise is left as it is.
async fn retention(client: &Client) -> Result<Option<Step>, Failure> {
    let mut statements = Vec::new();
    for table in server_tables(client).await?.iter().filter(|table| table.database == client.database) {
        let Some(days) = ttl_days(&table.engine_full) else { continue };
        if days != client.retention_days {
            let sql = "ALTER TABLE `{database}`.`{table}`{on_cluster} MODIFY TTL toDateTime(block_time) + \
                       toIntervalDay({retention_days})";
            statements.push(fill(&sql.replace("{table}", &table.name), client));
        }
    }
    let title = format!("retention of {} days", client.retention_days);
    Ok((!statements.is_empty()).then_some(Step { title, statements, migration: None }))
}

fn ttl_days(engine_full: &str) -> Option<u32> {
    let (_, rest) = engine_full.split_once("TTL toDateTime(block_time) + toIntervalDay(")?;
    rest.split_once(')')?.0.parse().ok()
}

/// Columns of the server's tables: (table, column, type).
async fn columns(client: &Client) -> Result<Vec<(String, String, String)>, Failure> {
    let sql = format!("SELECT table, name, type FROM system.columns WHERE database = '{}'", client.database);
    let rows = client.query_json(&sql).await?;
    Ok(rows.iter().map(|row| (text(row, "table"), text(row, "name"), text(row, "type"))).collect())
}

/// Columns that are missing or of another type. Further ones are none of our business: they take their default.
fn column_problems(client: &Client, columns: &[(String, String, String)]) -> Vec<String> {
    let mut problems = Vec::new();
    for table in tables::all() {
        for column in &table.columns {
            let place = format!("{}.{}.{}", client.database, table.name, column.name);
            let found = columns.iter().find(|(of, name, _)| *of == table.name && *name == column.name);
            match found {
                None => problems.push(format!("{place} is missing; add it as {}", column.definition())),
                Some((_, _, found)) if found != column.table_type => problems.push(format!(
                    "{place} is {found} and must be {}; change it with ALTER TABLE … MODIFY COLUMN",
                    column.table_type
                )),
                Some(_) => {}
            }
        }
    }
    problems
}

/// A table or a materialised view of the server, of any database.
#[derive(Clone, Debug, Default)]
struct ServerTable {
    database: String,
    name: String,
    uuid: String,
    engine: String,
    engine_full: String,
    create: String,
    /// The materialised views that it feeds.
    views: Vec<(String, String)>,
}

async fn server_tables(client: &Client) -> Result<Vec<ServerTable>, Failure> {
    let rows = client
        .query_json(
            "SELECT database, name, toString(uuid) AS uuid, engine, engine_full, create_table_query, \
             dependencies_database, dependencies_table FROM system.tables \
             WHERE engine = 'MaterializedView' OR engine LIKE '%MergeTree'",
        )
        .await?;
    let list = |row: &Value, column: &str| -> Vec<String> {
        let items = row[column].as_array().into_iter().flatten();
        items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let table = |row: &Value| ServerTable {
        database: text(row, "database"),
        name: text(row, "name"),
        uuid: text(row, "uuid"),
        engine: text(row, "engine"),
        engine_full: text(row, "engine_full"),
        create: text(row, "create_table_query"),
        views: list(row, "dependencies_database").into_iter().zip(list(row, "dependencies_table")).collect(),
    };
    Ok(rows.iter().map(table).collect())
}

fn is_ours(client: &Client, table: &ServerTable) -> bool {
    table.database == client.database && tables::NAMES.contains(&table.name.as_str())
}

/// What a table remembers of its inserts when its definition does not say.
#[derive(Clone, Copy, Debug, Default)]
struct Windows {
    /// Inserts, of a table of one server.
    alone: u64,
    /// Inserts, and for how long, of a replicated table.
    replicated: u64,
    replicated_seconds: u64,
}

impl Windows {
    const ALONE: &str = "non_replicated_deduplication_window";
    const REPLICATED: &str = "replicated_deduplication_window";
    const SECONDS: &str = "replicated_deduplication_window_seconds";

    /// The server's defaults.
    async fn of(client: &Client) -> Result<Self, Failure> {
        let sql = format!(
            "SELECT name, value FROM system.merge_tree_settings WHERE name = '{}' UNION ALL \
             SELECT name, value FROM system.replicated_merge_tree_settings WHERE name IN ('{}', '{}')",
            Self::ALONE,
            Self::REPLICATED,
            Self::SECONDS
        );
        let rows = client.query_json(&sql).await?;
        let value = |name: &str| {
            let row = rows.iter().find(|row| row["name"] == name);
            row.and_then(|row| text(row, "value").parse().ok()).unwrap_or(0)
        };
        Ok(Windows {
            alone: value(Self::ALONE),
            replicated: value(Self::REPLICATED),
            replicated_seconds: value(Self::SECONDS),
        })
    }
}

impl ServerTable {
    /// Replicated tables, and those of ClickHouse Cloud, remember inserts in Keeper.
    fn is_replicated(&self) -> bool {
        self.engine.starts_with("Replicated") || self.engine.starts_with("Shared")
    }

    /// The settings that it needs so that it knows a repeated insert; `None`: it remembers enough.
    fn forgets(&self, defaults: Windows) -> Option<String> {
        let needed: &[_] = match self.is_replicated() {
            true => &[
                (Windows::REPLICATED, defaults.replicated, DEDUPLICATION_WINDOW),
                (Windows::SECONDS, defaults.replicated_seconds, DEDUPLICATION_SECONDS),
            ],
            false => &[(Windows::ALONE, defaults.alone, DEDUPLICATION_WINDOW)],
        };
        let short = needed.iter().filter(|(name, default, least)| self.setting(name).unwrap_or(*default) < *least);
        let pairs: Vec<String> = short.map(|(name, _, least)| format!("{name} = {least}")).collect();
        (!pairs.is_empty()).then(|| pairs.join(", "))
    }

    /// A setting that its definition names.
    fn setting(&self, name: &str) -> Option<u64> {
        let (_, rest) = self.engine_full.split_once(&format!(" {name} = "))?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }

    /// Where a materialised view writes: what follows `TO`, else its inner table.
    fn target(&self) -> (String, String) {
        let head = self.create.split(" AS ").next().unwrap_or_default();
        let Some((_, to)) = head.split_once(" TO ") else {
            let by_uuid = self.uuid.bytes().any(|byte| byte != b'0' && byte != b'-');
            let inner = if by_uuid { format!(".inner_id.{}", self.uuid) } else { format!(".inner.{}", self.name) };
            return (self.database.clone(), inner);
        };
        let mut names = identifiers(to).into_iter();
        match (names.next(), names.next()) {
            (Some(database), Some(name)) => (database, name),
            (name, _) => (self.database.clone(), name.unwrap_or_default()),
        }
    }
}

/// The names at the beginning of a text, joined by dots, with or without backticks.
fn identifiers(text: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let (mut quoted, mut chars) = (false, text.chars());
    while let Some(c) = chars.next() {
        match c {
            '`' => quoted = !quoted,
            '\\' if quoted => names.last_mut().expect("never empty").extend(chars.next()),
            '.' if !quoted => names.push(String::new()),
            ' ' | '(' | '\n' if !quoted => break,
            _ => names.last_mut().expect("never empty").push(c),
        }
    }
    names
}

/// Tables that would double a repeated insert: ours, and whatever materialised views make of them.
fn window_problems(client: &Client, tables: &[ServerTable], defaults: Windows) -> Vec<String> {
    let find = |database: &str, name: &str| tables.iter().find(|t| t.database == database && t.name == name);
    let mut waiting: Vec<&ServerTable> = tables.iter().filter(|table| is_ours(client, table)).collect();
    let mut seen = Vec::new();
    let mut problems = Vec::new();
    while let Some(table) = waiting.pop() {
        let place = (table.database.as_str(), table.name.as_str());
        if seen.contains(&place) {
            continue;
        }
        seen.push(place);
        if let Some(settings) = table.forgets(defaults) {
            problems.push(format!(
                "{}.{} forgets inserts, so a repeated one would be doubled; run ALTER TABLE `{0}`.`{1}` MODIFY SETTING \
                 {settings}",
                table.database, table.name
            ));
        }
        for (database, name) in &table.views {
            let Some(view) = find(database, name) else {
                problems.push(format!(
                    "{database}.{name} takes rows from {}.{}, and weir's user may not see it, so nobody knows whether it \
                     doubles a repeated insert; run GRANT SHOW TABLES, SHOW COLUMNS ON `{database}`.* for that user",
                    table.database, table.name
                ));
                continue;
            };
            let (database, name) = view.target();
            // A target that is no MergeTree (Null, Kafka, Distributed) keeps nothing that could be doubled here.
            waiting.extend(find(&database, &name));
        }
    }
    problems.sort();
    problems
}

/// Settings of the user's profile that would undo what an insert pins. They are newer than the oldest server
/// that weir works with, so an insert cannot name them itself.
async fn setting_problems(client: &Client) -> Result<Vec<String>, Failure> {
    let needed = [("deduplicate_insert", "enable"), ("max_insert_block_size_bytes", "0")];
    let rows = client
        .query_json(
            "SELECT name, value FROM system.settings \
             WHERE name = 'deduplicate_insert' AND value = 'disable' \
             OR name = 'max_insert_block_size_bytes' AND value != '0'",
        )
        .await?;
    let problem = |row: &Value| {
        let name = text(row, "name");
        let value = needed.iter().find(|(of, _)| *of == name).map_or("", |(_, value)| value);
        format!("the profile of weir's user sets {name} to {}; set it to {value}", text(row, "value"))
    };
    Ok(rows.iter().map(problem).collect())
}

fn text(row: &Value, column: &str) -> String {
    row[column].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clickhouse::Config;

    fn client() -> Client {
        Client::new(&Config {
            url: "http://localhost:1".into(),
            tls: crate::clickhouse::Tls::default(),
            cluster: None,
            database: "weir".into(),
            user: String::new(),
            password: String::new(),
            retention_days: 90,
        })
        .unwrap()
    }

    #[test]
    fn migrations_are_the_files_of_the_folder_without_holes() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/clickhouse/migrations");
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        let embedded: Vec<_> = MIGRATIONS.iter().map(|m| format!("{:04}_{}.sql", m.version, m.name)).collect();
        assert_eq!(files, embedded);
        assert!(MIGRATIONS.iter().enumerate().all(|(index, migration)| migration.version == index as u32 + 1));
    }

    /// Two that run at once, and one that stopped half-way, must end in the same.
    #[test]
    fn every_statement_can_be_run_again() {
        for migration in MIGRATIONS {
            let statements = migration.statements(&client());
            assert!(!statements.is_empty());
            for statement in statements {
                assert!(["IF NOT EXISTS", "IF EXISTS", "MODIFY"].iter().any(|safe| statement.contains(safe)));
                assert!(!statement.contains('{'), "{statement}");
            }
        }
    }

    /// The right to use an engine is granted by its name.
    #[test]
    fn every_engine_is_in_the_list() {
        for migration in MIGRATIONS {
            for (_, rest) in
                migration.sql.match_indices("\nENGINE = ").map(|(at, found)| migration.sql.split_at(at + found.len()))
            {
                let engine = rest.strip_prefix("{replicated}").expect("every table can be of a cluster");
                let engine: String = engine.chars().take_while(char::is_ascii_alphanumeric).collect();
                assert!(ENGINES.contains(&&*engine), "{engine}");
            }
        }
    }

    #[test]
    fn a_migration_is_cut_at_semicolons_that_end_a_line() {
        let sql =
            "-- why;\nCREATE TABLE {database}.a COMMENT 'x; y'\n  -- more;\n  TTL {retention_days};\n\nALTER b;\n";
        let migration = Migration { version: 1, name: "x", sql };
        let statements = migration.statements(&client());
        assert_eq!(statements, ["CREATE TABLE weir.a COMMENT 'x; y'\n  TTL 90", "ALTER b"]);
    }

    #[test]
    fn the_status_follows_from_what_was_applied() {
        let known: BTreeMap<_, _> = MIGRATIONS.iter().map(|m| (m.version, m.checksum())).collect();
        let need = needed();
        assert_eq!(compare(&known), Status::Current { version: need });
        assert_eq!(compare(&BTreeMap::new()), Status::Missing);
        let with = |version, checksum: &str| {
            let mut applied = known.clone();
            applied.insert(version, checksum.into());
            compare(&applied)
        };
        assert_eq!(with(need + 2, "of a later release"), Status::Newer { have: need + 2, need });
        assert_eq!(with(1, "edited"), Status::Changed { version: 1 });
        // A hole is older, whatever follows it.
        let newest_only = BTreeMap::from([(need + 1, String::new())]);
        assert_eq!(compare(&newest_only), Status::Older { have: 0, need });
        for status in [Status::Missing, Status::Older { have: 0, need }, Status::Changed { version: 1 }] {
            assert!(status.to_string().contains("`weir schema apply -c FILE`"), "{status}");
        }
    }

    fn view(create: &str) -> ServerTable {
        ServerTable {
            database: "weir".into(),
            name: "v".into(),
            uuid: "1-2".into(),
            create: create.into(),
            ..ServerTable::default()
        }
    }

    #[test]
    fn the_target_of_a_view_is_found() {
        let table = [
            ("CREATE MATERIALIZED VIEW weir.v TO other.t (`a` UInt8) AS SELECT a FROM x", ("other", "t")),
            ("CREATE MATERIALIZED VIEW weir.v TO `my db`.`a.b\\`c` AS SELECT 1", ("my db", "a.b`c")),
            ("CREATE MATERIALIZED VIEW weir.v TO t AS SELECT 1", ("weir", "t")),
            (
                "CREATE MATERIALIZED VIEW weir.v (`a` UInt8) ENGINE = Log AS SELECT ' TO x.y '",
                ("weir", ".inner_id.1-2"),
            ),
        ];
        for (create, (database, name)) in table {
            assert_eq!(view(create).target(), (database.to_owned(), name.to_owned()), "{create}");
        }
    }

    #[test]
    fn tables_that_forget_inserts_are_found_through_views() {
        let plain = |database: &str, name: &str, settings: &str| ServerTable {
            database: database.into(),
            name: name.into(),
            engine: "MergeTree".into(),
            engine_full: format!("MergeTree ORDER BY x SETTINGS {settings}index_granularity = 8192"),
            ..ServerTable::default()
        };
        let good = "non_replicated_deduplication_window = 100000, ";
        let mut source = plain("weir", "findings", good);
        source.views = vec![("weir".into(), "v".into())];
        let mut middle = plain("weir", "daily", good);
        middle.views = vec![("weir".into(), "v2".into()), ("weir".into(), "v".into())];
        let mut second = view("CREATE MATERIALIZED VIEW weir.v2 TO other.monthly AS SELECT 1");
        second.name = "v2".into();
        let mut tables = vec![
            source,
            view("CREATE MATERIALIZED VIEW weir.v TO weir.daily AS SELECT 1"),
            middle,
            second,
            plain("other", "monthly", "non_replicated_deduplication_window = 100, "),
            plain("other", "unrelated", ""),
            plain("weir", "coverage", good),
        ];
        let problems = |tables: &[ServerTable], defaults| window_problems(&client(), tables, defaults);
        let server = Windows { alone: 0, replicated: 10_000, replicated_seconds: 3_600 };
        let found = problems(&tables, server);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("other.monthly forgets"), "{}", found[0]);
        // A default that is enough counts only where the definition says nothing.
        tables[4].engine_full = "MergeTree ORDER BY x SETTINGS index_granularity = 8192".into();
        assert_eq!(problems(&tables, server).len(), 1);
        assert!(problems(&tables, Windows { alone: DEDUPLICATION_WINDOW, ..server }).is_empty());
        // Another window counts in Keeper, and time does too.
        tables[4].engine = "ReplicatedMergeTree".into();
        let found = problems(&tables, server);
        assert!(
            found[0].ends_with(
                "SETTING replicated_deduplication_window = 100000, replicated_deduplication_window_seconds = 2592000"
            ),
            "{found:?}"
        );
        tables[4].engine_full = "ReplicatedMergeTree ORDER BY x SETTINGS replicated_deduplication_window = 100000, \
                                 replicated_deduplication_window_seconds = 2592000"
            .into();
        assert!(problems(&tables, server).is_empty());
        // What cannot be seen cannot be vouched for.
        tables.retain(|table| table.name != "v2");
        assert!(problems(&tables, server)[0].starts_with("weir.v2 takes rows from weir.daily"));
    }

    #[test]
    fn tables_of_one_server_are_not_a_clusters() {
        let table = |engine: &str| ServerTable {
            database: "weir".into(),
            name: "findings".into(),
            engine: engine.into(),
            ..ServerTable::default()
        };
        let mut client = client();
        assert!(engine_problems(&client, &[table("MergeTree")]).is_empty());
        client.cluster = Some("main".into());
        assert_eq!(engine_problems(&client, &[table("MergeTree"), table("ReplicatedMergeTree")]).len(), 1);
    }

    /// What a cluster is told, as a whole: a change here must be meant. The same is parsed by a real server in `tests/it`.
    #[test]
    fn a_cluster_gets_replicated_tables() {
        let mut client = client();
        let alone: Vec<String> = from_nothing(&client).into_iter().flat_map(|step| step.statements).collect();
        client.cluster = Some("main".into());
        let cluster: Vec<String> = from_nothing(&client).into_iter().flat_map(|step| step.statements).collect();
        insta::assert_snapshot!("cluster", cluster.join(";\n\n"));
        // Nothing but these two makes the difference.
        let less: Vec<String> = cluster
            .iter()
            .map(|sql| sql.replace(" ON CLUSTER `main`", "").replace("ENGINE = Replicated", "ENGINE = "))
            .collect();
        assert_eq!(less, alone);
        for statement in &cluster {
            assert_eq!(statement.matches("ON CLUSTER `main`").count(), 1, "{statement}");
            assert!(!statement.replace("ENGINE = Replicated", "").contains("ENGINE = "), "{statement}");
        }
    }

    #[test]
    fn the_retention_is_read_from_the_table() {
        let engine = "MergeTree ORDER BY x TTL toDateTime(block_time) + toIntervalDay(400) SETTINGS a = 1";
        assert_eq!(ttl_days(engine), Some(400));
        assert_eq!(ttl_days("MergeTree ORDER BY x TTL time + toIntervalDay(400)"), None);
    }
}

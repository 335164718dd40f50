//! Migrations against a real server: what apply makes, what check refuses, and that both say what to do.
//!
//! Each test takes the server's URL and the name of a database that is its own.

use std::future::Future;
use weir::clickhouse::schema::{self, SchemaError, Status};
use weir::clickhouse::{Client, Config};

pub fn config(url: &str, database: &str) -> Config {
    Config {
        url: url.into(),
        database: database.into(),
        user: "default".into(),
        password: String::new(),
        retention_days: 400,
    }
}

pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

pub fn client(url: &str, database: &str) -> Client {
    Client::new(&config(url, database)).unwrap()
}

/// Runs a statement: the crate under test keeps its own way to do so to itself.
pub async fn execute(url: &str, sql: &str) {
    clickhouse::Client::default().with_url(url).query_raw(sql).execute().await.unwrap();
}

/// Why there is no proof.
async fn refusal(client: &Client) -> String {
    schema::check(client).await.expect_err("the check refuses").to_string()
}

pub fn a_new_database_is_brought_up_once(url: &str, database: &str) {
    let client = client(url, database);
    block_on(async {
        assert_eq!(schema::status(&client).await.unwrap(), Status::Missing);
        assert!(matches!(schema::check(&client).await, Err(SchemaError::Version(Status::Missing))));
        assert_eq!(schema::plan(&client).await.unwrap().len(), 1 + schema::MIGRATIONS.len());

        let need = schema::MIGRATIONS.len() as u32;
        let mut steps = Vec::new();
        let status = schema::apply(&client, |step| steps.push(step.title.clone())).await.unwrap();
        assert_eq!(status, Status::Current { version: need });
        assert_eq!(steps[..2], ["database and table of migrations", "migration 1 (spine)"]);
        schema::check(&client).await.unwrap();

        let status = schema::apply(&client, |step| panic!("{} is run again", step.title)).await.unwrap();
        assert_eq!(status, Status::Current { version: need });
        let noted = format!("SELECT version, applied_by FROM {database}.schema_migrations");
        let noted = client.query_json(&noted).await.unwrap();
        assert_eq!(noted.len(), schema::MIGRATIONS.len());
        assert!(noted[0]["applied_by"].as_str().unwrap().starts_with("default with weir "));
        execute(url, &format!("DROP DATABASE {database}")).await;
    });
}

pub fn an_older_or_changed_schema_gives_no_proof(url: &str, database: &str) {
    let client = client(url, database);
    block_on(async {
        schema::apply(&client, |_| {}).await.unwrap();
        let alter = async |set: &str| {
            let sql = format!("ALTER TABLE {database}.schema_migrations {set} SETTINGS mutations_sync = 2");
            execute(url, &sql).await;
        };
        alter("UPDATE checksum = 'edited' WHERE version = 1").await;
        assert_eq!(schema::status(&client).await.unwrap(), Status::Changed { version: 1 });
        assert!(refusal(&client).await.contains("migration 1 was applied with other contents"));
        assert!(schema::apply(&client, |_| {}).await.is_err());

        // As a later release left it, were the first migration not noted.
        alter("DELETE WHERE version = 1").await;
        execute(url, &format!("INSERT INTO {database}.schema_migrations (version) VALUES (99)")).await;
        assert!(refusal(&client).await.contains("run `weir schema apply -c FILE`"));
        schema::apply(&client, |_| {}).await.unwrap();
        assert_eq!(
            schema::status(&client).await.unwrap(),
            Status::Newer { have: 99, need: schema::MIGRATIONS.len() as u32 }
        );
        schema::check(&client).await.unwrap();
        execute(url, &format!("DROP DATABASE {database}")).await;
    });
}

pub fn a_column_that_differs_gives_no_proof(url: &str, database: &str) {
    let client = client(url, database);
    block_on(async {
        schema::apply(&client, |_| {}).await.unwrap();
        execute(url, &format!("ALTER TABLE {database}.findings MODIFY COLUMN rule_version UInt64")).await;
        execute(url, &format!("ALTER TABLE {database}.interactions DROP COLUMN warnings")).await;
        execute(url, &format!("ALTER TABLE {database}.interactions ADD COLUMN team String")).await;
        execute(url, &format!("ALTER TABLE {database}.coverage RESET SETTING non_replicated_deduplication_window"))
            .await;
        let refusal = refusal(&client).await;
        assert!(refusal.contains("findings.rule_version is UInt64 and must be UInt32"), "{refusal}");
        assert!(refusal.contains("interactions.warnings is missing"), "{refusal}");
        assert!(refusal.contains("coverage forgets inserts"), "{refusal}");
        assert!(!refusal.contains("team"), "a column of the user's own is not weir's business: {refusal}");
        execute(url, &format!("DROP DATABASE {database}")).await;
    });
}

pub fn a_view_whose_target_forgets_inserts_gives_no_proof(url: &str, database: &str) {
    let client = client(url, database);
    block_on(async {
        schema::apply(&client, |_| {}).await.unwrap();
        let table = |name: &str, window: u32| {
            format!(
                "CREATE TABLE {database}.{name} (rule String, n UInt64) ENGINE = SummingMergeTree ORDER BY rule \
                 SETTINGS non_replicated_deduplication_window = {window}"
            )
        };
        let view = |name: &str, to: &str, from: &str| {
            format!(
                "CREATE MATERIALIZED VIEW {database}.{name} {to} AS SELECT rule, count() AS n FROM {database}.{from} \
                 GROUP BY rule"
            )
        };
        execute(url, &table("daily", 100_000)).await;
        execute(url, &table("monthly", 0)).await;
        execute(url, &view("to_daily", &format!("TO {database}.daily"), "findings")).await;
        schema::check(&client).await.unwrap();
        execute(url, &view("to_monthly", &format!("TO {database}.monthly"), "daily")).await;
        assert!(refusal(&client).await.contains(&format!("{database}.monthly forgets inserts")));
        execute(url, &format!("DROP VIEW {database}.to_monthly")).await;
        execute(url, &view("inner", "ENGINE = SummingMergeTree ORDER BY rule", "findings")).await;
        let refusal = refusal(&client).await;
        assert!(refusal.contains(".inner_id."), "{refusal}");
        // The remedy that is named works.
        let remedy = refusal.split_once("run ").unwrap().1;
        execute(url, remedy).await;
        schema::check(&client).await.unwrap();
        execute(url, &format!("DROP DATABASE {database}")).await;
    });
}

pub fn two_that_apply_at_once_end_in_the_same(url: &str, database: &str) {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| block_on(schema::apply(&client(url, database), |_| {})).unwrap());
        }
    });
    block_on(async {
        let client = client(url, database);
        schema::check(&client).await.unwrap();
        assert!(schema::plan(&client).await.unwrap().is_empty());
        execute(url, &format!("DROP DATABASE {database}")).await;
    });
}

pub fn another_retention_is_applied(url: &str, database: &str) {
    block_on(async {
        schema::apply(&client(url, database), |_| {}).await.unwrap();
        let client = Client::new(&Config { retention_days: 90, ..config(url, database) }).unwrap();
        let steps = schema::plan(&client).await.unwrap();
        assert_eq!(steps.iter().map(|step| step.statements.len()).collect::<Vec<_>>(), [4]);
        schema::apply(&client, |_| {}).await.unwrap();
        assert!(schema::plan(&client).await.unwrap().is_empty());
        execute(url, &format!("DROP DATABASE {database}")).await;
    });
}

pub fn codecs_and_comments_are_as_declared(url: &str, database: &str) {
    let client = client(url, database);
    block_on(async {
        schema::apply(&client, |_| {}).await.unwrap();
        let sql = format!(
            "SELECT table, name, type, compression_codec, comment FROM system.columns WHERE database = '{database}' \
             AND table IN ({}) ORDER BY position",
            weir::tables::NAMES.map(|name| format!("'{name}'")).join(", ")
        );
        let mut rows = client.query_json(&sql).await.unwrap();
        for table in weir::tables::all() {
            for column in table.columns {
                let at = rows.iter().position(|row| row["table"] == table.name).unwrap();
                let row = rows.remove(at);
                let expected = serde_json::json!({
                    "table": table.name,
                    "name": column.name,
                    "type": column.table_type,
                    "compression_codec": format!("CODEC({})", column.codec),
                    "comment": column.comment,
                });
                assert_eq!(row, expected);
            }
        }
        assert!(rows.is_empty(), "the code knows nothing of {rows:?}");
        execute(url, &format!("DROP DATABASE {database}")).await;
    });
}

pub fn an_absent_server_is_told_apart(_url: &str, database: &str) {
    // Bound and dropped, so that nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let client = client(&format!("http://127.0.0.1:{port}"), database);
    let refusal = block_on(refusal(&client));
    assert!(refusal.contains("cannot be reached") && refusal.contains("refused"), "{refusal}");
}

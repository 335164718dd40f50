//! Blocks against a real server: what was pushed is what is read, and no insert counts twice.
//!
//! Each test takes the server's URL and the name of a database that is its own.

use crate::migrations::{block_on, client, execute};
use bytes::Bytes;
use serde_json::{Value, json};
use weir::clickhouse::Client;
use weir::clickhouse::insert::InsertError;
use weir::clickhouse::schema::{self, SchemaProof};
use weir::ledger::{Chain, CoverageRow, Entry, Kind};
use weir::model::evidence::MaskKey;
use weir::model::facts::{FactHit, Facts};
use weir::model::finding::{Finding, Measure, Place};
use weir::model::reject::{DeadLetter, Hex, Reason, Reject};
use weir::model::uid::Uid;
use weir::model::{
    Category, Confidence, ContentState, Destination, Direction, Layer, Layers, PartKind, Position, Principal,
    PrincipalKind, Role, Severity, Warnings,
};
use weir::tables::coverage::Coverage;
use weir::tables::dead_letters::DeadLetters;
use weir::tables::findings::{self, Findings};
use weir::tables::interactions::{self, Interactions};
use weir::tables::{Block, Builder, Table};

/// 2026-11-25 01:02:03.456
const BLOCK_TIME_MS: i64 = 1_795_568_523_456;

/// Random values that are the same for the same seed. Texts are short, long, empty, of all planes.
struct Dice(u64);

const TEXTS: &[&str] =
    &["", "a", "gpt-5", "Zürich", "日本語", "🦀🦀", "it's \"quoted\" \\ and\ttabbed\n", "\u{0}\u{7f}"];

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) ^ mixed >> 31
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    /// Small, huge and in between.
    fn number(&mut self) -> u64 {
        let shift = self.below(64);
        self.next() >> shift
    }

    fn text(&mut self) -> &'static str {
        match self.below(20) {
            0 => String::leak(self.of(TEXTS).repeat(300)),
            _ => self.of(TEXTS),
        }
    }

    fn option<T>(&mut self, value: impl Fn(&mut Self) -> T) -> Option<T> {
        (self.below(3) > 0).then(|| value(self))
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next() as u8)
    }

    /// From 1970 to 2100.
    fn time_ms(&mut self) -> i64 {
        self.below(4_102_444_800_000) as i64
    }

    fn position(&mut self) -> Position<'static> {
        Position { topic: self.text(), partition: self.below(1 << 31) as i32, offset: (self.number() >> 1) as i64 }
    }

    fn facts(&mut self) -> Facts<'static> {
        let hit = FactHit {
            rule: "secret.example",
            rule_version: 1,
            category: Category::Secret,
            type_name: "EXAMPLE",
            severity: Severity::Low,
            confidence: Confidence::from_permille(1),
            direction: Direction::Input,
            role: Role::User,
            part_kind: PartKind::Text,
            message: 0,
            part: 0,
            start: 0,
            end: 1,
            masked: "*".into(),
            hmac: [0; 16],
            layers: Layers::default(),
        };
        Facts {
            position: self.position(),
            index: self.number() as u32,
            timestamp_ms: self.time_ms(),
            time_ms: self.time_ms(),
            source_id: self.text(),
            conversation: self.text(),
            principal: Principal { kind: self.of(PrincipalKind::ALL), value: self.text() },
            application: self.text(),
            provider: self.text(),
            model: self.text(),
            destination: Destination {
                host: self.text(),
                port: self.number() as u16,
                scheme: self.of(&["", "https"]),
                tls_version: self.of(&["", "1.3"]),
            },
            input_tokens: self.option(Dice::number),
            output_tokens: self.option(Dice::number),
            status: self.number() as u16,
            latency_ms: self.option(|dice| dice.number() as u32),
            content_state: self.of(ContentState::ALL),
            warnings: Warnings(self.below(1 << 10) as u32),
            messages: self.number() as u32,
            input_bytes: self.number(),
            output_bytes: self.number(),
            part_hashes: (0..self.below(4)).map(|_| self.bytes()).collect(),
            key_id: self.text(),
            hits: vec![hit; self.below(3) as usize],
            hits_dropped: self.number() as u32,
        }
    }

    fn finding(&mut self, taxonomy: &'static [String]) -> Finding<'static> {
        let place = self.option(|dice| Place {
            role: dice.of(Role::ALL),
            part_kind: dice.of(PartKind::ALL),
            message: dice.number() as u32,
            part: dice.number() as u32,
            start: dice.number() as u32,
            end: dice.number() as u32,
            masked: dice.text(),
            hmac: if dice.below(4) == 0 { [0; 16] } else { dice.bytes() },
            layers: dice.layers(),
        });
        let measure = self.option(|dice| Measure {
            unit: "requests",
            limit: dice.number(),
            observed: dice.number(),
            window_start_ms: dice.time_ms(),
            window_end_ms: dice.time_ms(),
            denied_before: dice.number(),
        });
        Finding {
            uid: Uid(self.bytes()),
            rule: self.text(),
            rule_version: self.number() as u32,
            title: self.text(),
            category: self.of(Category::ALL),
            type_name: self.text(),
            severity: self.of(Severity::ALL),
            confidence: Confidence::from_permille(self.below(1001) as u16),
            direction: self.of(Direction::ALL),
            place,
            measure,
            description: "",
            next_step: "",
            references: &[],
            taxonomy: &taxonomy[..self.below(taxonomy.len() as u64 + 1) as usize],
            criteria: &taxonomy[..self.below(2) as usize],
        }
    }

    fn layers(&mut self) -> Layers {
        let mut layers = Layers::default();
        (0..self.below(4)).for_each(|_| layers.push(self.of(Layer::ALL)));
        layers
    }

    fn dead_letter(&mut self) -> DeadLetter<'static> {
        let payload = self.text().as_bytes();
        let key = if self.below(2) == 0 { MaskKey::none() } else { MaskKey::new(b"0123456789abcdef") };
        let reject = Reject::new(self.of(Reason::ALL), self.text());
        DeadLetter::new(self.position(), self.time_ms(), self.of(&["detect", "score"]), reject, Some(payload), &key)
    }

    fn entry(&mut self) -> Entry<'static> {
        Entry {
            kind: self.of(Kind::ALL),
            topic: self.text(),
            partition: self.below(1 << 31) as i32,
            first_offset: (self.number() >> 1) as i64,
            last_offset: -(self.below(9) as i64),
            events: self.number(),
            interactions: self.number(),
            rejects: self.number(),
            gaps: self.number(),
            config_digest: self.text(),
            packs_digest: self.text(),
            policy_digest: self.text(),
            facts_hash: self.bytes(),
            instance: self.text(),
        }
    }
}

/// As ClickHouse's hex() shows bytes.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn interaction_json(row: &interactions::Row<'_>) -> Value {
    let facts = row.facts;
    let known = !facts.destination.scheme.is_empty() || !facts.destination.tls_version.is_empty();
    json!({
        "time": facts.time_ms, "kafka_time": facts.timestamp_ms,
        "source_topic": facts.position.topic, "source_partition": facts.position.partition,
        "source_offset": facts.position.offset, "source_index": facts.index,
        "source_id": facts.source_id, "conversation": facts.conversation,
        "principal": facts.principal.to_string(), "principal_kind": facts.principal.kind.name(),
        "application": facts.application, "provider": facts.provider, "model": facts.model,
        "dest_host": facts.destination.host, "dest_port": facts.destination.port,
        "dest_scheme": facts.destination.scheme, "tls_version": facts.destination.tls_version,
        "transport_evidence": if known { "observed" } else { "unknown" },
        "input_tokens": facts.input_tokens, "output_tokens": facts.output_tokens,
        "input_bytes": facts.input_bytes, "output_bytes": facts.output_bytes, "messages": facts.messages,
        "status": facts.status, "latency_ms": facts.latency_ms, "content_state": facts.content_state.name(),
        "warnings": facts.warnings.iter().map(|warning| warning.name()).collect::<Vec<_>>(),
        "part_hashes": facts.part_hashes.iter().map(|hash| hex(hash)).collect::<Vec<_>>(),
        "hash_key_id": facts.key_id, "hits": facts.hits.len(), "hits_dropped": facts.hits_dropped,
        "findings": row.findings, "max_severity": row.max_severity.map_or(0, Severity::code),
    })
}

fn finding_json(row: &findings::Row<'_>) -> Value {
    let (facts, finding) = (row.facts, row.finding);
    let (place, measure) = (finding.place.as_ref(), finding.measure.as_ref());
    json!({
        "time": facts.time_ms, "uid": finding.uid.to_string(), "rule": finding.rule,
        "rule_version": finding.rule_version, "title": finding.title, "category": finding.category.name(),
        "type": finding.type_name, "severity": finding.severity.name(), "severity_id": finding.severity.code(),
        "confidence": finding.confidence.permille(), "direction": finding.direction.name(),
        "role": place.map_or("", |p| p.role.name()), "part_kind": place.map_or("", |p| p.part_kind.name()),
        "message": place.map(|p| p.message), "part": place.map(|p| p.part),
        "start": place.map(|p| p.start), "end": place.map(|p| p.end), "masked": place.map_or("", |p| p.masked),
        "hmac": place.map_or(String::new(), |p| Hex(&p.hmac).to_string()), "hash_key_id": facts.key_id,
        "measure_unit": measure.map_or("", |m| m.unit), "measure_limit": measure.map(|m| m.limit),
        "measure_observed": measure.map(|m| m.observed), "window_start": measure.map(|m| m.window_start_ms),
        "window_end": measure.map(|m| m.window_end_ms), "denied_before": measure.map(|m| m.denied_before),
        "taxonomy": finding.taxonomy, "criteria": finding.criteria,
        "alert_uid": row.alert_uid.map(|uid| uid.to_string()),
        "principal": facts.principal.to_string(), "application": facts.application, "provider": facts.provider,
        "model": facts.model, "dest_host": facts.destination.host, "conversation": facts.conversation,
        "source_topic": facts.position.topic, "source_partition": facts.position.partition,
        "source_offset": facts.position.offset, "source_index": facts.index,
    })
}

fn coverage_json(row: &CoverageRow<'_>) -> Value {
    let entry = &row.entry;
    json!({
        "kind": entry.kind.name(), "topic": entry.topic, "partition": entry.partition,
        "first_offset": entry.first_offset, "last_offset": entry.last_offset, "events": entry.events,
        "interactions": entry.interactions, "rejects": entry.rejects, "gaps": entry.gaps,
        "config_digest": entry.config_digest, "packs_digest": entry.packs_digest,
        "policy_digest": entry.policy_digest, "facts_hash": hex(&entry.facts_hash),
        "previous_hash": hex(&row.previous_hash), "hash": hex(&row.hash), "instance": entry.instance,
    })
}

fn dead_letter_json(row: &DeadLetter<'_>) -> Value {
    json!({
        "kafka_time": row.timestamp_ms, "source_topic": row.position.topic,
        "source_partition": row.position.partition, "source_offset": row.position.offset, "stage": row.stage,
        "reason": row.reject.reason.name(), "detail": row.reject.detail, "bytes": row.bytes,
        "hmac": Hex(&row.hash).to_string(),
    })
}

/// A select of all columns of a table but the two of the block, in forms that JSON tells exactly.
fn select(database: &str, table: &str) -> String {
    let tables = weir::tables::all();
    let info = tables.iter().find(|info| info.name == table).unwrap();
    let columns: Vec<_> = info.columns[2..]
        .iter()
        .map(|column| {
            let name = column.name;
            match column.table_type {
                "DateTime64(3, 'UTC')" | "Nullable(DateTime64(3, 'UTC'))" => {
                    format!("toUnixTimestamp64Milli(`{name}`) AS `{name}`")
                }
                "FixedString(32)" => format!("hex(`{name}`) AS `{name}`"),
                "Array(FixedString(16))" => format!("arrayMap(h -> hex(h), `{name}`) AS `{name}`"),
                "Float32" => format!("toUInt16(round(`{name}` * 1000)) AS `{name}`"),
                _ => format!("`{name}`"),
            }
        })
        .collect();
    format!("SELECT {} FROM {database}.{table}", columns.join(", "))
}

async fn ready(client: &Client) -> SchemaProof {
    schema::apply(client, |_| {}).await.unwrap();
    schema::check(client).await.unwrap()
}

/// One body out of many blocks.
fn concatenated(blocks: &[Block]) -> Bytes {
    blocks.iter().flat_map(|block| block.body.clone()).collect()
}

fn sorted(mut rows: Vec<Value>) -> Vec<String> {
    rows.iter_mut().for_each(|row| row.as_object_mut().unwrap().sort_keys());
    let mut rows: Vec<_> = rows.iter().map(Value::to_string).collect();
    rows.sort();
    rows
}

/// Inserts blocks and reads the table back.
async fn round_trip(client: &Client, proof: &SchemaProof, blocks: &[Block], expected: Vec<Value>) {
    let table = blocks[0].table;
    assert!(blocks.len() > 1);
    client.insert(proof, table, concatenated(blocks), "round trip").await.unwrap();
    let found = client.query_json(&select(client.database(), table)).await.unwrap();
    let (found, expected) = (sorted(found), sorted(expected));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected, "{table}");
    }
    let sql = format!(
        "SELECT toUnixTimestamp64Milli(block_time) AS time, toString(block_id) AS id, count() AS rows \
         FROM {}.{table} GROUP BY ALL",
        client.database()
    );
    let by_block = client.query_json(&sql).await.unwrap();
    let block =
        |block: &Block| json!({"time": block.block_time_ms, "id": Uid(block.block_id).to_string(), "rows": block.rows});
    assert_eq!(sorted(by_block), sorted(blocks.iter().map(block).collect()));
}

/// Pushes rows in three goes, so that there are three blocks.
fn blocks<'r, T: Table>(rows: impl Iterator<Item = T::Row<'r>>) -> Vec<Block> {
    let (mut builder, mut blocks) = (Builder::<T>::new(), Vec::new());
    for (number, row) in rows.enumerate() {
        builder.push(&row);
        if number == 0 || number == 100 {
            blocks.extend(builder.take(BLOCK_TIME_MS + number as i64));
        }
    }
    blocks.extend(builder.take(BLOCK_TIME_MS + 9_999));
    blocks
}

pub fn rows_come_back_as_they_were_pushed(url: &str, database: &str) {
    let client = client(url, database);
    let mut dice = Dice(20_261_125);
    let taxonomy = vec!["LLM01:2025".to_owned(), "AML.T0051".to_owned(), "ü".to_owned()].leak();
    let facts: Vec<_> = (0..500).map(|_| dice.facts()).collect();
    let found: Vec<_> = facts.iter().map(|_| dice.finding(taxonomy)).collect();
    let dead: Vec<_> = (0..500).map(|_| dice.dead_letter()).collect();
    let mut chain = Chain::default();
    let covered: Vec<_> = (0..500).map(|_| chain.append(dice.entry())).collect();
    let interactions: Vec<_> = facts
        .iter()
        .map(|facts| interactions::Row {
            facts,
            findings: dice.number() as u32,
            max_severity: dice.option(|dice| dice.of(Severity::ALL)),
        })
        .collect();
    let findings: Vec<_> = facts
        .iter()
        .zip(&found)
        .map(|(facts, finding)| findings::Row { facts, finding, alert_uid: dice.option(|dice| Uid(dice.bytes())) })
        .collect();
    block_on(async {
        let proof = ready(&client).await;
        let expected = interactions.iter().map(interaction_json).collect();
        round_trip(&client, &proof, &blocks::<Interactions>(interactions.iter().copied()), expected).await;
        let expected = findings.iter().map(finding_json).collect();
        round_trip(&client, &proof, &blocks::<Findings>(findings.iter().copied()), expected).await;
        let expected = covered.iter().map(coverage_json).collect();
        round_trip(&client, &proof, &blocks::<Coverage>(covered.iter().copied()), expected).await;
        let expected = dead.iter().map(dead_letter_json).collect();
        round_trip(&client, &proof, &blocks::<DeadLetters>(dead.iter().cloned()), expected).await;
        execute(url, &format!("DROP DATABASE {database}")).await;
    });
}

/// Blocks of one row each with numbers from `first`.
fn numbered(first: i64, count: i64) -> Vec<Block> {
    let mut builder = Builder::<DeadLetters>::new();
    (first..first + count)
        .flat_map(|offset| {
            let position = Position { topic: "llm.events", partition: 0, offset };
            let reject = Reject::new(Reason::NotJson, "");
            builder.push(&DeadLetter::new(position, 0, "detect", reject, None, &MaskKey::none()));
            builder.take(BLOCK_TIME_MS)
        })
        .collect()
}

async fn count(client: &Client, table: &str) -> u64 {
    let rows = client.query_json(&format!("SELECT count() AS n FROM {}.{table}", client.database())).await.unwrap();
    rows[0]["n"].as_u64().unwrap()
}

pub fn many_blocks_are_one_part_and_a_repetition_adds_nothing(url: &str, database: &str) {
    let client = client(url, database);
    block_on(async {
        let proof = ready(&client).await;
        execute(url, &format!("SYSTEM STOP MERGES {database}.dead_letters")).await;
        let body = concatenated(&numbered(0, 200));
        for _ in 0..3 {
            client.insert(&proof, "dead_letters", body.clone(), "t/0-199").await.unwrap();
        }
        assert_eq!(count(&client, "dead_letters").await, 200);
        let parts = format!(
            "SELECT name FROM system.parts WHERE database = '{database}' AND table = 'dead_letters' AND active"
        );
        assert_eq!(client.query_json(&parts).await.unwrap().len(), 1);
        // The same bytes under another token are other rows.
        client.insert(&proof, "dead_letters", body.clone(), "t/200-399").await.unwrap();
        assert_eq!(count(&client, "dead_letters").await, 400);
        execute(url, &format!("DROP DATABASE {database}")).await;
    });
}

pub fn a_repetition_adds_nothing_behind_a_view(url: &str, database: &str) {
    let client = client(url, database);
    block_on(async {
        ready(&client).await;
        execute(
            url,
            &format!(
                "CREATE TABLE {database}.copies (offset Int64) ENGINE = MergeTree ORDER BY offset \
                 SETTINGS non_replicated_deduplication_window = 100000"
            ),
        )
        .await;
        let view = "AS SELECT source_offset AS offset FROM";
        execute(
            url,
            &format!("CREATE MATERIALIZED VIEW {database}.copy TO {database}.copies {view} {database}.dead_letters"),
        )
        .await;
        let proof = schema::check(&client).await.unwrap();
        let body = concatenated(&numbered(0, 50));
        for _ in 0..3 {
            client.insert(&proof, "dead_letters", body.clone(), "t").await.unwrap();
        }
        assert_eq!((count(&client, "dead_letters").await, count(&client, "copies").await), (50, 50));
        execute(url, &format!("DROP DATABASE {database}")).await;
    });
}

pub fn a_block_is_found_by_its_id(url: &str, database: &str) {
    let client = client(url, database);
    block_on(async {
        let proof = ready(&client).await;
        let blocks = numbered(0, 2);
        client.insert(&proof, "dead_letters", blocks[0].body.clone().into(), "t").await.unwrap();
        for (block, there) in blocks.iter().zip([true, false]) {
            let found = client.block_present("dead_letters", &block.block_id, block.block_time_ms).await.unwrap();
            assert_eq!(found, there);
        }
        execute(url, &format!("DROP DATABASE {database}")).await;
    });
}

pub fn a_block_from_before_a_new_column_still_lands(url: &str, database: &str) {
    let client = client(url, database);
    block_on(async {
        let proof = ready(&client).await;
        execute(url, &format!("ALTER TABLE {database}.dead_letters ADD COLUMN team String DEFAULT 'x' FIRST")).await;
        client.insert(&proof, "dead_letters", concatenated(&numbered(0, 3)), "t").await.unwrap();
        let teams = client.query_json(&format!("SELECT DISTINCT team FROM {database}.dead_letters")).await.unwrap();
        assert_eq!(teams, [json!({"team": "x"})]);
        execute(url, &format!("DROP DATABASE {database}")).await;
    });
}

pub fn what_does_not_fit_is_refused_and_adds_nothing(url: &str, database: &str) {
    let client = client(url, database);
    block_on(async {
        let proof = ready(&client).await;
        let body = concatenated(&numbered(0, 3));
        let insert = async |body: &[u8]| client.insert(&proof, "dead_letters", Bytes::copy_from_slice(body), "t").await;

        // Cut in the middle of the second block, or with a byte changed.
        let cut = insert(&body[..body.len() / 2]).await.unwrap_err();
        assert!(matches!(cut, InsertError::Refused { .. }), "{cut}");
        let mut changed = body.to_vec();
        changed[100] ^= 1;
        assert!(matches!(insert(&changed).await.unwrap_err(), InsertError::Refused { .. }));

        // A column that the table lacks is never dropped in silence.
        execute(url, &format!("ALTER TABLE {database}.dead_letters RENAME COLUMN detail TO details")).await;
        let unknown = insert(&body).await.unwrap_err();
        assert!(matches!(unknown, InsertError::Refused { .. }), "{unknown}");
        execute(url, &format!("ALTER TABLE {database}.dead_letters RENAME COLUMN details TO detail")).await;

        let constraint = "CONSTRAINT few CHECK source_offset < 2";
        execute(url, &format!("ALTER TABLE {database}.dead_letters ADD {constraint}")).await;
        let violated = insert(&body).await.unwrap_err();
        assert!(matches!(violated, InsertError::Refused { .. }), "{violated}");
        execute(url, &format!("ALTER TABLE {database}.dead_letters DROP CONSTRAINT few")).await;

        // Nothing of it landed, and the same token is still good.
        assert_eq!(count(&client, "dead_letters").await, 0);
        insert(&body).await.unwrap();
        assert_eq!(count(&client, "dead_letters").await, 3);

        execute(url, &format!("DROP TABLE {database}.dead_letters")).await;
        assert!(matches!(insert(&body).await.unwrap_err(), InsertError::Retry { .. }));
        execute(url, &format!("DROP DATABASE {database}")).await;
    });
}

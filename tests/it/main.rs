//! End-to-end tests: the built binaries against a real Kafka and a real ClickHouse, and what must hold whatever
//! happens to any of them.
//!
//! Where a new test goes:
//!
//! | file | asks |
//! |---|---|
//! | `reconcile.rs` | is everything that was produced there once, in rows, findings, alerts and ledger; are bad events told |
//! | `crash.rs` | does a death, a pause, a join, a leave or an outage change anything: a line in a table of disturbances |
//! | `mutation.rs` | is each safeguard needed: a directed scenario that goes red without it |
//! | `secrecy.rs` | does a planted value leave the input topic in any form |
//! | `layout.rs` | do topics, partitions, keys, roles or a replay change what is found |
//! | `closing.rs` | does a consumer close whenever it is asked to |
//! | `generated.rs` | is all that `weir generate` plants found by `weir scan`, and nothing else |
//! | `alerts.rs` | do receivers get every kind of alert within their limits, and only committed ones |
//! | `cli.rs` | does a command print and end as the contract says |
//! | `lapses.rs` | what does a panic, or a group without offsets, do |
//! | `life.rs` | what does it say when something about it is wrong, and does it go on once that is mended |
//! | `memory.rs` | does memory stay bounded under slow servers and many principals |
//! | `queries.rs` | does each query of the README answer, and does `principal_hours` count what `interactions` holds |
//! | `observe.rs` | is what a running weir says of itself true, in health, numbers, traces and log; does it end in time |
//! | `schema.rs` | does the schema hold back store, and nothing else |
//! | `migrations.rs`, `tables.rs` | does a real ClickHouse take our schema and our blocks as we think (list them in `on_clickhouse.rs`) |
//!
//! What needs no server belongs beside the code, into the unit tests of its room. `harness/` starts servers and
//! processes, makes traffic and reads back what came of it; it knows nothing of any single test.
//!
//! With `KAFKA_BROKERS` and `CLICKHOUSE_URL` set those servers are used; else `deploy/local/services` starts some in
//! `.local/test`, which stay up for the next run until `make down`. Every test has a topic prefix, a group and
//! a database of its own, dropped when it passes; what it leaves when it fails lies under `target/it`.
//! `WEIR_IT_ONLY=score.restore` picks disturbances by a part of their name, `WEIR_IT_JOBS` says how many
//! scenarios run at once (2). The binary `weir-faults` must be there:
//! `cargo build --release --features faults --bin weir-faults`.

mod alerts;
mod cli;
mod closing;
mod crash;
mod generated;
mod harness;
mod lapses;
mod layout;
mod life;
mod memory;
mod migrations;
mod mutation;
mod observe;
mod on_clickhouse;
mod queries;
mod reconcile;
mod schema;
mod secrecy;
mod tables;

-- The four tables of the stream: interactions, findings, coverage, dead_letters.
--
-- Common to all of them
-- * PARTITION BY toYYYYMM(block_time), never by event time: a group that is inserted at once has one partition,
--   so one insert is one part, a repeated insert is recognised whole, and "any row of the block is there" means
--   "all are". A month keeps the number of parts small and lets whole parts expire.
-- * non_replicated_deduplication_window = 100000: a repeated insert is dropped by its token only while that token
--   is among the last so many. The default of 0 would double every insert whose answer was lost. No cost was
--   measurable. Replicated tables have windows of their own, by number and by time (30 days; an hour by default),
--   which others ignore; there each insert that is remembered is a small node in Keeper.
-- * {on_cluster} and {replicated} are filled in when clickhouse.cluster is set, and else leave nothing. Replicated
--   tables take path and replica from the server's default_replica_path and default_replica_name.
-- * block_time and block_id are the same in all rows of a block and cost next to nothing. To ask whether a block
--   is there, give both: block_time leaves only the parts of that moment to be read.
-- * LowCardinality(String) rather than Enum8 for closed sets: a new member needs no migration, and an older store
--   can still insert what a newer detect wrote.
-- * ZSTD(1) for text and numbers, Delta before it for times and offsets, which rise along the order key, nothing
--   for hashes that never repeat.
-- * ttl_only_drop_parts: rows expire as whole parts, without rewriting any. With partitions of a month a row may
--   stay up to a month longer than the retention, and never goes before it. Retention counts from block_time: rows
--   of a replayed topic are kept as long as the replay's report may be asked for.
-- * No skip indexes: the order keys serve the questions below.

-- One row for each LLM call.
-- Asked: what did a principal do, from when to when; how much goes to which provider, model, application, per day;
-- who are the principals; the call behind a finding.
-- The day comes first, so that every question with a time range reads that range only; within a day one principal's
-- calls lie together, so that a principal's year is 365 short ranges, and a finding (which has day, principal and
-- time) finds its call. Totals by provider, model and application read their narrow, well-packed columns.
-- Calls of one conversation lie together too, which is what makes resent part_hashes compress.
CREATE TABLE IF NOT EXISTS `{database}`.`interactions`{on_cluster}
(
    `block_time` DateTime64(3, 'UTC') COMMENT 'When the row was written by scoring' CODEC(Delta(8), ZSTD(1)),
    `block_id` UUID COMMENT 'The block that the row came in' CODEC(ZSTD(1)),
    `time` DateTime64(3, 'UTC') COMMENT 'When the call was made' CODEC(Delta(8), ZSTD(1)),
    `kafka_time` DateTime64(3, 'UTC') COMMENT 'Timestamp of the captured record' CODEC(Delta(8), ZSTD(1)),
    `source_topic` LowCardinality(String) COMMENT 'Where the captured record stands' CODEC(ZSTD(1)),
    `source_partition` Int32 COMMENT 'See source_topic' CODEC(ZSTD(1)),
    `source_offset` Int64 COMMENT 'See source_topic' CODEC(Delta(8), ZSTD(1)),
    `source_index` UInt32 COMMENT 'Which of the interactions of the record, from 0' CODEC(ZSTD(1)),
    `source_id` String COMMENT 'Id of the call at its source; may be empty' CODEC(ZSTD(1)),
    `conversation` String COMMENT 'Conversation, session or trace' CODEC(ZSTD(1)),
    `principal` String COMMENT 'Who is answerable, as kind:value' CODEC(ZSTD(1)),
    `principal_kind` LowCardinality(String) COMMENT 'user, key, workload or unknown' CODEC(ZSTD(1)),
    `application` LowCardinality(String) COMMENT 'The calling service' CODEC(ZSTD(1)),
    `provider` LowCardinality(String) COMMENT 'Who serves the model' CODEC(ZSTD(1)),
    `model` LowCardinality(String) COMMENT 'The model that was asked' CODEC(ZSTD(1)),
    `dest_host` LowCardinality(String) COMMENT 'Where the call went; empty: not reported' CODEC(ZSTD(1)),
    `dest_port` UInt16 COMMENT '0: not reported' CODEC(ZSTD(1)),
    `dest_scheme` LowCardinality(String) COMMENT 'https, http; empty: not reported' CODEC(ZSTD(1)),
    `tls_version` LowCardinality(String) COMMENT 'Empty: not reported' CODEC(ZSTD(1)),
    `transport_evidence` LowCardinality(String) COMMENT 'observed: the capture point reported scheme or TLS version; else unknown' CODEC(ZSTD(1)),
    `input_tokens` Nullable(UInt64) COMMENT 'As the provider counted; NULL: not reported' CODEC(ZSTD(1)),
    `output_tokens` Nullable(UInt64) COMMENT 'As the provider counted; NULL: not reported' CODEC(ZSTD(1)),
    `input_bytes` UInt64 COMMENT 'Content to the model' CODEC(ZSTD(1)),
    `output_bytes` UInt64 COMMENT 'Content from the model' CODEC(ZSTD(1)),
    `messages` UInt32 COMMENT 'Messages in both directions' CODEC(ZSTD(1)),
    `status` UInt16 COMMENT 'HTTP status of the call; 0: not reported' CODEC(ZSTD(1)),
    `latency_ms` Nullable(UInt32) COMMENT 'How long the call took; NULL: not reported' CODEC(ZSTD(1)),
    `content_state` LowCardinality(String) COMMENT 'How much of the content was there to be scanned' CODEC(ZSTD(1)),
    `warnings` Array(LowCardinality(String)) COMMENT 'What decoding had to pass over' CODEC(ZSTD(1)),
    `part_hashes` Array(FixedString(16)) COMMENT 'Keyed hashes of the first parts, in order' CODEC(ZSTD(1)),
    `hash_key_id` LowCardinality(String) COMMENT 'The key of the hashes; empty: none' CODEC(ZSTD(1)),
    `hits` UInt32 COMMENT 'Places where a rule matched' CODEC(ZSTD(1)),
    `hits_dropped` UInt32 COMMENT 'Further such places, not kept' CODEC(ZSTD(1)),
    `findings` UInt32 COMMENT 'Findings made of it' CODEC(ZSTD(1)),
    `max_severity` UInt8 COMMENT 'severity_id of its worst finding; 0: none' CODEC(ZSTD(1))
)
ENGINE = {replicated}MergeTree
PARTITION BY toYYYYMM(block_time)
ORDER BY (toDate(time), principal, time, source_topic, source_partition, source_offset, source_index)
TTL toDateTime(block_time) + toIntervalDay({retention_days})
SETTINGS non_replicated_deduplication_window = 100000,
    replicated_deduplication_window = 100000,
    replicated_deduplication_window_seconds = 2592000,
    ttl_only_drop_parts = 1
COMMENT 'LLM calls';

-- One row for each judged result, alerted or not.
-- Asked: findings of a day, week, month by rule, category and severity; all of one rule; who is behind them; the
-- finding that an alert names (by uid: the table is small enough to be scanned for it).
-- A rule has one category and nearly always one severity, so rows that are asked for together lie together.
CREATE TABLE IF NOT EXISTS `{database}`.`findings`{on_cluster}
(
    `block_time` DateTime64(3, 'UTC') COMMENT 'When the row was written by scoring' CODEC(Delta(8), ZSTD(1)),
    `block_id` UUID COMMENT 'The block that the row came in' CODEC(ZSTD(1)),
    `time` DateTime64(3, 'UTC') COMMENT 'When the call was made' CODEC(Delta(8), ZSTD(1)),
    `uid` UUID COMMENT 'The finding; the same whoever computes it' CODEC(ZSTD(1)),
    `rule` LowCardinality(String) COMMENT 'secret.aws_access_key' CODEC(ZSTD(1)),
    `rule_version` UInt32 COMMENT 'Of the rule, when it was found' CODEC(ZSTD(1)),
    `title` LowCardinality(String) COMMENT 'One line for people' CODEC(ZSTD(1)),
    `category` LowCardinality(String) COMMENT 'secret, pii, injection, jailbreak, exfiltration, policy or anomaly' CODEC(ZSTD(1)),
    `type` LowCardinality(String) COMMENT 'AWS_ACCESS_KEY, CREDIT_CARD, ...' CODEC(ZSTD(1)),
    `severity` LowCardinality(String) COMMENT 'informational to fatal' CODEC(ZSTD(1)),
    `severity_id` UInt8 COMMENT 'The same as OCSF numbers it, 1 to 6' CODEC(ZSTD(1)),
    `confidence` Float32 COMMENT '0 to 1' CODEC(ZSTD(1)),
    `direction` LowCardinality(String) COMMENT 'input: to the model; output: from it' CODEC(ZSTD(1)),
    `role` LowCardinality(String) COMMENT 'Who said it; empty: no one place' CODEC(ZSTD(1)),
    `part_kind` LowCardinality(String) COMMENT 'text, tool_call, tool_result or blob; empty: no one place' CODEC(ZSTD(1)),
    `message` Nullable(UInt32) COMMENT 'Index of the message; NULL: no one place' CODEC(ZSTD(1)),
    `part` Nullable(UInt32) COMMENT 'Index of the message part' CODEC(ZSTD(1)),
    `start` Nullable(UInt32) COMMENT 'In the part, in Unicode scalars' CODEC(ZSTD(1)),
    `end` Nullable(UInt32) COMMENT 'Exclusive' CODEC(ZSTD(1)),
    `masked` String COMMENT 'The value, as far as it may be shown' CODEC(ZSTD(1)),
    `hmac` String COMMENT 'Keyed hash of the value in hex: the same value has the same' CODEC(ZSTD(1)),
    `hash_key_id` LowCardinality(String) COMMENT 'The key of the hash; empty: none' CODEC(ZSTD(1)),
    `measure_unit` LowCardinality(String) COMMENT 'What was counted; empty: nothing was' CODEC(ZSTD(1)),
    `measure_limit` Nullable(UInt64) COMMENT 'What was allowed' CODEC(ZSTD(1)),
    `measure_observed` Nullable(UInt64) COMMENT 'What was counted between window_start and window_end' CODEC(ZSTD(1)),
    `window_start` Nullable(DateTime64(3, 'UTC')) COMMENT 'See measure_observed' CODEC(ZSTD(1)),
    `window_end` Nullable(DateTime64(3, 'UTC')) COMMENT 'See measure_observed' CODEC(ZSTD(1)),
    `denied_before` Nullable(UInt64) COMMENT 'Denials of the previous crossing after the one that was told' CODEC(ZSTD(1)),
    `taxonomy` Array(LowCardinality(String)) COMMENT 'OWASP LLM Top 10 and MITRE ATLAS' CODEC(ZSTD(1)),
    `criteria` Array(LowCardinality(String)) COMMENT 'SOC 2 criteria that it is evidence for' CODEC(ZSTD(1)),
    `alert_uid` Nullable(UUID) COMMENT 'The alert that told it; NULL: held back, or not severe enough' CODEC(ZSTD(1)),
    `principal` String COMMENT 'Who is answerable, as kind:value' CODEC(ZSTD(1)),
    `application` LowCardinality(String) COMMENT 'The calling service' CODEC(ZSTD(1)),
    `provider` LowCardinality(String) COMMENT 'Who serves the model' CODEC(ZSTD(1)),
    `model` LowCardinality(String) COMMENT 'The model that was asked' CODEC(ZSTD(1)),
    `dest_host` LowCardinality(String) COMMENT 'Where the call went; empty: not reported' CODEC(ZSTD(1)),
    `conversation` String COMMENT 'Conversation, session or trace' CODEC(ZSTD(1)),
    `source_topic` LowCardinality(String) COMMENT 'Where the captured record stands' CODEC(ZSTD(1)),
    `source_partition` Int32 COMMENT 'See source_topic' CODEC(ZSTD(1)),
    `source_offset` Int64 COMMENT 'See source_topic' CODEC(Delta(8), ZSTD(1)),
    `source_index` UInt32 COMMENT 'Which of the interactions of the record, from 0' CODEC(ZSTD(1))
)
ENGINE = {replicated}MergeTree
PARTITION BY toYYYYMM(block_time)
ORDER BY (toDate(time), rule, principal, time, uid)
TTL toDateTime(block_time) + toIntervalDay({retention_days})
SETTINGS non_replicated_deduplication_window = 100000,
    replicated_deduplication_window = 100000,
    replicated_deduplication_window_seconds = 2592000,
    ttl_only_drop_parts = 1
COMMENT 'What was found in LLM calls';

-- One row for each committed range of input offsets: the evidence that nothing is missing. It has no TTL: a report
-- over an old period needs it, and so does every check of the chain, which begins with the first row.
-- Asked: are all offsets of a topic accounted for, in order; what ran under which configuration.
CREATE TABLE IF NOT EXISTS `{database}`.`coverage`{on_cluster}
(
    `block_time` DateTime64(3, 'UTC') COMMENT 'When the row was written' CODEC(Delta(8), ZSTD(1)),
    `block_id` UUID COMMENT 'The block that the row came in' CODEC(ZSTD(1)),
    `kind` LowCardinality(String) COMMENT 'batch: processed; gap: never seen; reset: state was repaired by hand' CODEC(ZSTD(1)),
    `topic` LowCardinality(String) COMMENT 'The topic whose offsets are accounted for' CODEC(ZSTD(1)),
    `partition` Int32 COMMENT 'See topic' CODEC(ZSTD(1)),
    `first_offset` Int64 COMMENT 'Where the range begins' CODEC(Delta(8), ZSTD(1)),
    `last_offset` Int64 COMMENT 'Where it ends, inclusive' CODEC(Delta(8), ZSTD(1)),
    `events` UInt64 COMMENT 'Records in the range' CODEC(ZSTD(1)),
    `interactions` UInt64 COMMENT 'Interactions decoded from them' CODEC(ZSTD(1)),
    `rejects` UInt64 COMMENT 'Records that went to the dead letters' CODEC(ZSTD(1)),
    `gaps` UInt64 COMMENT 'Offsets in the range that held no record' CODEC(ZSTD(1)),
    `config_digest` LowCardinality(String) COMMENT 'SHA-256 of the configuration in force' CODEC(ZSTD(1)),
    `packs_digest` LowCardinality(String) COMMENT 'SHA-256 of the rules in force' CODEC(ZSTD(1)),
    `policy_digest` LowCardinality(String) COMMENT 'SHA-256 of the policy in force' CODEC(ZSTD(1)),
    `facts_hash` FixedString(32) COMMENT 'SHA-256 of the facts that were written, in order' CODEC(NONE),
    `previous_hash` FixedString(32) COMMENT 'hash of the row before' CODEC(NONE),
    `hash` FixedString(32) COMMENT 'SHA-256 of this row and previous_hash' CODEC(NONE),
    `instance` LowCardinality(String) COMMENT 'Who processed it' CODEC(ZSTD(1))
)
ENGINE = {replicated}MergeTree
PARTITION BY toYYYYMM(block_time)
ORDER BY (topic, partition, first_offset, last_offset)
SETTINGS non_replicated_deduplication_window = 100000,
    replicated_deduplication_window = 100000,
    replicated_deduplication_window_seconds = 2592000
COMMENT 'Which input offsets were processed, chained by hashes';

-- One row for each event of which nothing could be made.
-- Asked: which events of a range were rejected (beside coverage); how many, why, since when.
CREATE TABLE IF NOT EXISTS `{database}`.`dead_letters`{on_cluster}
(
    `block_time` DateTime64(3, 'UTC') COMMENT 'When the row was written' CODEC(Delta(8), ZSTD(1)),
    `block_id` UUID COMMENT 'The block that the row came in' CODEC(ZSTD(1)),
    `kafka_time` DateTime64(3, 'UTC') COMMENT 'Timestamp of the record' CODEC(Delta(8), ZSTD(1)),
    `source_topic` LowCardinality(String) COMMENT 'Where the record stands' CODEC(ZSTD(1)),
    `source_partition` Int32 COMMENT 'See source_topic' CODEC(ZSTD(1)),
    `source_offset` Int64 COMMENT 'See source_topic' CODEC(Delta(8), ZSTD(1)),
    `stage` LowCardinality(String) COMMENT 'Which loop gave up: detect or score' CODEC(ZSTD(1)),
    `reason` LowCardinality(String) COMMENT 'not_json, too_large, ...' CODEC(ZSTD(1)),
    `detail` String COMMENT 'What is wrong and where, without content' CODEC(ZSTD(1)),
    `bytes` UInt64 COMMENT 'Size of the record' CODEC(ZSTD(1)),
    `hmac` String COMMENT 'Keyed hash of the record in hex: proves which bytes it was; empty: no key' CODEC(ZSTD(1))
)
ENGINE = {replicated}MergeTree
PARTITION BY toYYYYMM(block_time)
ORDER BY (source_topic, source_partition, source_offset, stage)
TTL toDateTime(block_time) + toIntervalDay({retention_days})
SETTINGS non_replicated_deduplication_window = 100000,
    replicated_deduplication_window = 100000,
    replicated_deduplication_window_seconds = 2592000,
    ttl_only_drop_parts = 1
COMMENT 'Events that were rejected, and why';

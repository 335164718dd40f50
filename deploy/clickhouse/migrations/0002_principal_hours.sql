-- What each principal did, hour by hour: the small table behind dashboards and questions over months.
--
-- A row of `interactions` is 98 bytes and there is one for each call; here is one row for each hour in which a
-- principal used an application with a model, kept up by ClickHouse as rows arrive.
-- * AggregatingMergeTree merges rows of one key in the background, at some time. A question must add them up itself:
--   SELECT sum(interactions) … GROUP BY. It is right at any moment, merged or not.
-- * It needs a deduplication window of its own, and the store's inserts carry the setting that uses it: without
--   both, an insert that is repeated because its answer was lost would be dropped by `interactions` and counted here.
-- * Partitioned by the month of `block_time`, which is why that column is there: late rows then go where the others of
--   their insert go, and months expire with the interactions that they count.
-- * It counts from the moment it is made on. Hours from before a migration are not in it: filling them in while the
--   store inserts would count some twice, and ClickHouse has no transaction that would prevent it.
CREATE TABLE IF NOT EXISTS `{database}`.`principal_hours`
(
    `hour` DateTime('UTC') COMMENT 'Beginning of the hour in which the calls were made' CODEC(Delta(4), ZSTD(1)),
    `principal` String COMMENT 'Who is answerable, as kind:value' CODEC(ZSTD(1)),
    `application` LowCardinality(String) COMMENT 'The calling service' CODEC(ZSTD(1)),
    `provider` LowCardinality(String) COMMENT 'Who serves the model' CODEC(ZSTD(1)),
    `model` LowCardinality(String) COMMENT 'The model that was asked' CODEC(ZSTD(1)),
    `interactions` SimpleAggregateFunction(sum, UInt64) COMMENT 'Calls' CODEC(ZSTD(1)),
    `failed` SimpleAggregateFunction(sum, UInt64) COMMENT 'Calls with an HTTP status of 400 or more' CODEC(ZSTD(1)),
    `input_tokens` SimpleAggregateFunction(sum, UInt64) COMMENT 'As far as reported' CODEC(ZSTD(1)),
    `output_tokens` SimpleAggregateFunction(sum, UInt64) COMMENT 'As far as reported' CODEC(ZSTD(1)),
    `without_tokens` SimpleAggregateFunction(sum, UInt64) COMMENT 'Calls of which no tokens were reported' CODEC(ZSTD(1)),
    `input_bytes` SimpleAggregateFunction(sum, UInt64) COMMENT 'Content to the model' CODEC(ZSTD(1)),
    `output_bytes` SimpleAggregateFunction(sum, UInt64) COMMENT 'Content from the model' CODEC(ZSTD(1)),
    `unscanned` SimpleAggregateFunction(sum, UInt64) COMMENT 'Calls whose content was not all there to be scanned' CODEC(ZSTD(1)),
    `findings` SimpleAggregateFunction(sum, UInt64) COMMENT 'Findings made of the calls' CODEC(ZSTD(1)),
    `max_severity` SimpleAggregateFunction(max, UInt8) COMMENT 'severity_id of the worst finding; 0: none' CODEC(ZSTD(1)),
    `first_time` SimpleAggregateFunction(min, DateTime64(3, 'UTC')) COMMENT 'The first of the calls' CODEC(ZSTD(1)),
    `last_time` SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'The last of the calls' CODEC(ZSTD(1)),
    `block_time` SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'When the last of them was written by scoring' CODEC(ZSTD(1))
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(block_time)
ORDER BY (toDate(hour), principal, hour, application, provider, model)
TTL toDateTime(block_time) + toIntervalDay({retention_days})
SETTINGS non_replicated_deduplication_window = 100000,
    ttl_only_drop_parts = 1
COMMENT 'What each principal did, by the hour; add rows up with GROUP BY';

CREATE MATERIALIZED VIEW IF NOT EXISTS `{database}`.`interactions_to_principal_hours`
TO `{database}`.`principal_hours`
AS SELECT
    toStartOfHour(time) AS hour,
    principal,
    application,
    provider,
    model,
    count() AS interactions,
    countIf(status >= 400) AS failed,
    sum(ifNull(input_tokens, 0)) AS input_tokens,
    sum(ifNull(output_tokens, 0)) AS output_tokens,
    countIf(isNull(i.input_tokens) AND isNull(i.output_tokens)) AS without_tokens,
    sum(input_bytes) AS input_bytes,
    sum(output_bytes) AS output_bytes,
    countIf(content_state != 'full') AS unscanned,
    sum(findings) AS findings,
    max(max_severity) AS max_severity,
    min(time) AS first_time,
    max(time) AS last_time,
    max(block_time) AS block_time
FROM `{database}`.`interactions` AS i
GROUP BY hour, principal, application, provider, model;

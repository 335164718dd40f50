-- Findings that the policy suppresses: stored like all others, with who approved it, why and until when.
--
-- Rows from before have none of it: nothing was suppressed then. A store of before names its columns when it inserts, so
-- it goes on beside the new one.
ALTER TABLE `{database}`.`findings`{on_cluster}
    ADD COLUMN IF NOT EXISTS `suppressed_by` LowCardinality(String) COMMENT 'Who approved in the policy that it is no alert; empty: nobody did' CODEC(ZSTD(1)) AFTER `alert_uid`,
    ADD COLUMN IF NOT EXISTS `suppressed_reason` LowCardinality(String) COMMENT 'Why' CODEC(ZSTD(1)) AFTER `suppressed_by`,
    ADD COLUMN IF NOT EXISTS `suppressed_until` Nullable(DateTime64(3, 'UTC')) COMMENT 'When this ends, by the time of calls' CODEC(ZSTD(1)) AFTER `suppressed_reason`;

-- What a value was found under: base64, rot13, invisible characters and so on, in their order.
--
-- An array, so that has(layers, 'base64') finds every finding under a layer whatever lies round it, and
-- arrayStringConcat(layers, ' > ') shows them. Rows from before have none, which is what was looked for then. A store of
-- before names its columns when it inserts, so it goes on beside the new one.
ALTER TABLE `{database}`.`findings`{on_cluster}
    ADD COLUMN IF NOT EXISTS `layers` Array(LowCardinality(String)) COMMENT 'What the value was found under, the outermost first: base64, rot13, invisible, ...; empty: nothing' CODEC(ZSTD(1)) AFTER `hmac`;

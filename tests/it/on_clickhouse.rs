//! The tests of `migrations.rs` and `tables.rs`, each on a database of its own. They need no Kafka and no process.

use crate::harness::servers;
use crate::{migrations, tables};

fn with_database(name: &str, test: fn(&str, &str)) {
    test(&servers::shared().clickhouse_url, &format!("weir_it_{name}_{}", std::process::id()));
}

macro_rules! tests {
    ($($room:ident :: $name:ident),* $(,)?) => { $(
        #[test]
        fn $name() {
            with_database(stringify!($name), $room::$name);
        }
    )* };
}

tests! {
    migrations::a_new_database_is_brought_up_once,
    migrations::an_older_or_changed_schema_gives_no_proof,
    migrations::a_column_that_differs_gives_no_proof,
    migrations::a_view_whose_target_forgets_inserts_gives_no_proof,
    migrations::two_that_apply_at_once_end_in_the_same,
    migrations::another_retention_is_applied,
    migrations::codecs_and_comments_are_as_declared,
    migrations::an_absent_server_is_told_apart,
    tables::rows_come_back_as_they_were_pushed,
    tables::many_blocks_are_one_part_and_a_repetition_adds_nothing,
    tables::a_repetition_adds_nothing_behind_a_view,
    tables::a_block_is_found_by_its_id,
    tables::a_block_from_before_a_new_column_still_lands,
    tables::what_does_not_fit_is_refused_and_adds_nothing,
}

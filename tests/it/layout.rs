//! Neither how the input is laid out nor when it is scored changes what is found.

use crate::harness::kafka::{Isolation, Kafka, Outgoing};
use crate::harness::process::{Start, Weir};
use crate::harness::servers;
use crate::harness::site::{Site, topic_name};
use crate::harness::slot;
use crate::harness::snapshot::Snapshot;
use crate::harness::traffic::{fill_keyed, traffic};
use std::collections::BTreeSet;

/// Everything about hits but where their events stand; what depends on order (ceilings, throttles) is left out.
const HITS: &str = "SELECT i.source_id, i.conversation, i.principal, f.rule, f.type, f.severity_id, f.confidence, \
     f.direction, f.role, f.part_kind, f.message, f.part, f.start, f.end, f.masked, f.hmac \
     FROM findings AS f INNER JOIN interactions AS i USING (source_topic, source_partition, source_offset, source_index) \
     WHERE isNotNull(f.message) ORDER BY ALL";

/// Columns of interactions that depend on neither place nor order.
const CALLS: &str = "SELECT * EXCEPT (block_time, block_id, source_topic, source_partition, source_offset, findings, \
     max_severity) FROM interactions ORDER BY ALL";

#[test]
fn topics_partitions_and_keys_do_not_change_what_is_found() {
    let _slot = slot();
    let kafka = Kafka::connect(&servers::shared().brokers);
    let events = traffic(31, 4_000);
    let keyed = topic_name("layout-keyed");
    fill_keyed(&kafka, &keyed, 4, &events);
    let scattered: Vec<String> = [1, 2, 5].map(|partitions| topic_name(&format!("layout-{partitions}"))).to_vec();
    for (index, (topic, partitions)) in scattered.iter().zip([1, 2, 5]).enumerate() {
        kafka.create(topic, partitions);
        let share = events.iter().skip(index).step_by(3).enumerate();
        let record = |(number, event): (usize, &weir::generate::Generated)| Outgoing {
            partition: number as i32 % partitions,
            timestamp_ms: event.timestamp_ms,
            value: Some(event.payload.clone()),
            ..Outgoing::default()
        };
        kafka.produce(topic, share.map(record));
    }
    let run = |name: &str, inputs: &[String]| {
        let site = Site::new(name, inputs);
        let mut weir = Weir::start(&site, Start::instance("weir-0"));
        site.settle(&mut [&mut weir]);
        weir.stop();
        let found = (site.db.lines(HITS), site.db.lines(CALLS));
        site.drop_all();
        found
    };
    let (hits, calls) = run("layout-keyed", std::slice::from_ref(&keyed));
    let (scattered_hits, scattered_calls) = run("layout-scattered", &scattered);
    assert!(hits.len() > 50, "{} hits", hits.len());
    assert_eq!(hits.iter().collect::<BTreeSet<_>>().len(), hits.len());
    assert!(hits == scattered_hits, "hits differ: {} keyed, {} scattered", hits.len(), scattered_hits.len());
    assert!(calls == scattered_calls, "calls differ: {} keyed, {} scattered", calls.len(), scattered_calls.len());
    kafka.delete(&[&keyed]);
    kafka.delete(&scattered.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_replay_of_the_facts_gives_the_same_rows_alerts_and_states() {
    let _slot = slot();
    let kafka = Kafka::connect(&servers::shared().brokers);
    let events = traffic(37, 3_000);
    let input = topic_name("replay-input");
    fill_keyed(&kafka, &input, 3, &events);
    let original = Site::new("replay-original", std::slice::from_ref(&input));
    let mut weir = Weir::start(&original, Start::instance("weir-0"));
    original.settle(&mut [&mut weir]);
    weir.stop();

    let copy = Site::new("replay-copy", std::slice::from_ref(&input));
    let facts = kafka.dump(&original.topic("facts"), Isolation::Committed);
    let record = |fact: &crate::harness::kafka::Record| Outgoing {
        partition: fact.partition,
        timestamp_ms: fact.timestamp_ms,
        key: fact.key.clone(),
        value: fact.value.clone(),
        headers: fact.headers.clone(),
    };
    kafka.produce(&copy.topic("facts"), facts.iter().map(record));
    let mut score = Weir::start(&copy, Start::instance("weir-5").role("score"));
    let mut store = Weir::start(&copy, Start::instance("weir-6").role("store"));
    copy.settle_stages(&["score", "store"], &mut [&mut score, &mut store]);
    score.stop();
    store.stop();
    // Dead letters of detect are not scored, so a replay has none.
    copy.db.run(&format!("INSERT INTO dead_letters SELECT * FROM {}.dead_letters", original.database));
    Snapshot::take(&copy).assert_equal(&Snapshot::take(&original), "replay");
    copy.drop_all();
    original.drop_all();
    kafka.delete(&[&input]);
}

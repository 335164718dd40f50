//! A consumer can be closed at any moment of its joining: what is left unanswered would make closing wait for ever,
//! and with it the process.

use crate::harness::kafka::Kafka;
use crate::harness::servers;
use crate::harness::site::topic_name;
use crate::harness::slot;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;
use weir::kafka::{Config, Consumer, Member, Topics};

/// Far beyond what closing takes, which is some ms.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_consumer_can_be_closed_at_any_moment() {
    let _slot = slot();
    let brokers = &servers::shared().brokers;
    let kafka = Kafka::connect(brokers);
    let topic = topic_name("closing");
    kafka.create(&topic, 3);
    // Joining takes some hundred ms, its rounds a few ms each.
    for wait_ms in (0..600).step_by(5) {
        let config = config(brokers, &format!("{topic}-{wait_ms}"));
        let topic = topic.clone();
        let (done, is_done) = channel();
        std::thread::spawn(move || {
            let member = Member { stage: "closing", thread: 0 };
            let consumer = Consumer::subscribe(&config, member, &[&topic]).expect("a consumer can be made");
            std::thread::sleep(Duration::from_millis(wait_ms));
            drop(consumer);
            let _ = done.send(());
        });
        let waited = is_done.recv_timeout(PATIENCE);
        assert_ne!(waited, Err(RecvTimeoutError::Timeout), "closing {wait_ms} ms after subscribing does not end");
    }
    let groups: Vec<String> = (0..600).step_by(5).map(|wait_ms| format!("{topic}-{wait_ms}-closing")).collect();
    kafka.delete_groups(&groups.iter().map(String::as_str).collect::<Vec<_>>());
    kafka.delete(&[&topic]);
}

fn config(brokers: &str, group: &str) -> Config {
    Config {
        brokers: brokers.into(),
        group: group.into(),
        instance: "it-0".into(),
        commit_interval_ms: 100,
        session_timeout_ms: 6_000,
        properties: Vec::new(),
        topics: Topics {
            prefix: "it.".into(),
            replication: None,
            facts_partitions: 1,
            outbox_partitions: 1,
            alerts_partitions: 1,
            facts_keep_ms: 0,
        },
    }
}

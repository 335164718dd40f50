//! What goes wrong in other ways than by dying: a bug in weir that panics, and a group whose offsets are gone.

use crate::harness::kafka::Kafka;
use crate::harness::process::{Start, Weir};
use crate::harness::servers;
use crate::harness::site::{Site, topic_name};
use crate::harness::traffic::{fill_keyed, traffic};
use crate::harness::{PATIENCE, slot, wait_until};

/// An event on which weir panics is a dead letter with the reason `panic`, in detect as in score; nothing else is lost,
/// and the process goes on. Rows and score's dead letters together are all interactions.
#[test]
fn a_panic_is_a_reject() {
    let _slot = slot();
    let kafka = Kafka::connect(&servers::shared().brokers);
    let input = topic_name("panic-input");
    fill_keyed(&kafka, &input, 2, &traffic(51, 2_000));
    let site = Site::new("panic", std::slice::from_ref(&input));
    let failpoints = "fault.detect_panics=700*off->3*return;fault.score_panics=500*off->2*return";
    let mut weir = Weir::start(&site, Start::instance("weir-0").failpoints(failpoints));
    site.settle(&mut [&mut weir]);
    weir.stop();

    let by_stage = |stage| format!("SELECT count() FROM dead_letters WHERE reason = 'panic' AND stage = '{stage}'");
    assert_eq!(site.db.count(&by_stage("detect")), 3);
    assert_eq!(site.db.count(&by_stage("score")), 2);
    let rows = site.db.count("SELECT count() FROM interactions");
    assert_eq!(rows + 2, site.db.count("SELECT sum(interactions) FROM coverage"));
    let rejects = site.db.count("SELECT sum(rejects) FROM coverage");
    assert_eq!(rejects, site.db.count("SELECT count() FROM dead_letters WHERE stage = 'detect'"));
    assert_eq!(site.db.count("SELECT sum(events) FROM coverage"), 2_000);
    site.drop_all();
    kafka.delete(&[&input]);
}

/// When detect's offsets are gone although there are facts, it says so and reads nothing: from the start it would
/// double everything.
#[test]
fn offsets_that_are_gone_do_not_mean_everything_again() {
    let _slot = slot();
    let kafka = Kafka::connect(&servers::shared().brokers);
    let input = topic_name("gone-input");
    fill_keyed(&kafka, &input, 2, &traffic(52, 500));
    let site = Site::new("gone", std::slice::from_ref(&input));
    let mut weir = Weir::start(&site, Start::instance("weir-0"));
    site.settle(&mut [&mut weir]);
    weir.stop();
    let rows = site.db.count("SELECT count() FROM interactions");
    wait_until("the group to have no members", PATIENCE, || {
        kafka.delete_groups(&[&site.group("detect")]);
        match kafka.committed(&site.group("detect"), &input).is_empty() {
            true => Ok(()),
            false => Err("offsets are still there".to_string()),
        }
    });

    let mut weir = Weir::start(&site, Start::instance("weir-0"));
    weir.wait_for_log(&["partition stopped", "has no committed offsets although there are facts"]);
    weir.stop();
    assert_eq!(site.db.count("SELECT count() FROM interactions"), rows);
    site.drop_all();
    kafka.delete(&[&input]);
}

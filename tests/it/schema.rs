//! Store inserts nothing into a schema that is not as it should be, and says which command helps; nothing else waits
//! for it.

use crate::harness::kafka::{Isolation, Kafka};
use crate::harness::process::{Start, Weir};
use crate::harness::servers;
use crate::harness::site::{Options, Site, topic_name};
use crate::harness::slot;
use crate::harness::traffic::{fill_keyed, traffic};
use crate::reconcile::{Expected, assert_ledger};

#[test]
fn store_waits_for_its_schema_and_nothing_else_does() {
    let _slot = slot();
    let kafka = Kafka::connect(&servers::shared().brokers);
    let input = topic_name("schema-input");
    let events = traffic(41, 3_000);
    let places = fill_keyed(&kafka, &input, 2, &events);
    let site =
        Site::with("schema", std::slice::from_ref(&input), Options { without_schema: true, ..Options::default() });
    let status = site.try_weir(&["schema", "status"]);
    assert_eq!(status.status.code(), Some(1), "status fails while rows could not be inserted");

    let mut weir = Weir::start(&site, Start::instance("weir-0"));
    weir.wait_for_log(&["store is not ready", "weir schema apply"]);
    site.settle_stages(&["detect", "score"], &mut [&mut weir]);
    let alerts = kafka.dump(&site.topic("alerts"), Isolation::Committed).len();
    assert!(alerts > 0, "alerts flow without a schema");
    let waiting = kafka.dump(&site.topic("outbox"), Isolation::Committed).len();
    assert!(waiting > 0, "rows wait in the outbox");

    site.weir(&["schema", "apply"]);
    site.settle(&mut [&mut weir]);
    weir.stop();
    Expected { events: &events, places: &places }.assert_rows(&site);
    assert_ledger(&site);
    // Applying again changes nothing.
    site.weir(&["schema", "apply"]);
    site.weir(&["schema", "status"]);
    site.drop_all();
    kafka.delete(&[&input]);
}

//! Each safeguard is needed: with it taken out, a scenario made for it doubles or loses rows; with it, the same
//! scenario gives the undisturbed result.

use crate::crash::{Undisturbed, undisturbed};
use crate::harness::kafka::Kafka;
use crate::harness::process::{Start, Weir};
use crate::harness::servers;
use crate::harness::site::{Site, topic_name};
use crate::harness::snapshot::{Difference, Snapshot};
use crate::harness::traffic::{append_keyed, fill_keyed, traffic};
use crate::harness::{PATIENCE, say, slot, wait_until};
use crate::reconcile::assert_ledger;
use std::time::Duration;

const SLOW: &str = "detect.after_poll=sleep(1)";

fn is_red(snapshot: &Snapshot, expected: &Snapshot) -> bool {
    snapshot.differences(expected).iter().any(|difference| difference.part == "interactions")
}

/// Rows that must not be there twice, among the differences of a mutated run.
fn assert_red(name: &str, snapshot: &Snapshot, expected: &Snapshot) {
    let differences = snapshot.differences(expected);
    let shown: Vec<String> = differences.iter().map(brief).collect();
    assert!(
        is_red(snapshot, expected),
        "{name}: without its safeguard rows should be doubled or lost, and they are not: {shown:?}"
    );
    say(&format!("mutation: {name}: red without it: {}", shown.join("; ")));
}

fn brief(difference: &Difference) -> String {
    format!("{}: {} lost, {} extra", difference.part, difference.lost.len(), difference.extra.len())
}

fn assert_green(name: &str, snapshot: &Snapshot, expected: &Snapshot) {
    snapshot.assert_equal(expected, name);
    say(&format!("mutation: {name}: equal with it"));
}

/// How often a scenario is run without its safeguard: whether what must not happen happens depends on what else waits.
const TRIES: usize = 3;

/// Runs a scenario with its safeguard and without it. The scenario gets the mutation as a failpoint, or nothing.
fn with_and_without(name: &str, mutation: &str, reference: &Undisturbed, scenario: impl Fn(&Site, &str)) {
    let run = |site_name: &str, mutation: &str| {
        let site = Site::new(site_name, std::slice::from_ref(&reference.input));
        scenario(&site, mutation);
        (Snapshot::take(&site), site)
    };
    let (snapshot, site) = run(&format!("{name}-kept"), "");
    assert_green(name, &snapshot, &reference.snapshot);
    assert_ledger(&site);
    site.drop_all();
    for attempt in 1..=TRIES {
        let (snapshot, site) = run(&format!("{name}-out-{attempt}"), mutation);
        site.drop_all();
        if attempt == TRIES || is_red(&snapshot, &reference.snapshot) {
            return assert_red(name, &snapshot, &reference.snapshot);
        }
        say(&format!("mutation: {name}: not red without it, once more"));
    }
}

fn failpoints(parts: &[&str]) -> String {
    let parts: Vec<&str> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    parts.join(";")
}

#[test]
fn each_safeguard_is_what_keeps_the_promise() {
    let _slot = slot();
    let reference = Undisturbed::run("mutation", 3_000);
    with_and_without("token", "mutation.token=return", &reference, |site, mutation| {
        let failpoints = failpoints(&["fault.answer_lost=1*return", mutation]);
        let mut weir = Weir::start(site, Start::instance("weir-0").failpoints(&failpoints));
        site.settle(&mut [&mut weir]);
        assert!(weir.log_text().contains("the answer was lost"), "the scenario loses an answer");
        weir.stop();
    });
    with_and_without("intent", "mutation.intent=return", &reference, killed_between_tables);
    let calls = reference.snapshot.len("interactions") as u64;
    with_and_without("send_offsets", "mutation.send_offsets=return", &reference, |site, mutation| {
        restarted(site, mutation, calls);
    });
    reference.drop_all();
}

/// Store dies between two tables while further records wait, and starts again when many do.
fn killed_between_tables(site: &Site, mutation: &str) {
    let mut others = [("detect", failpoints(&[SLOW])), ("score", String::new())]
        .map(|(role, points)| Weir::start(site, Start::instance("weir-0").role(role).failpoints(&points)));
    let dies = failpoints(&["store.between_tables=return", mutation]);
    Weir::start(site, Start::instance("weir-0").role("store").failpoints(&dies)).wait_killed();
    let [detect, score] = &mut others;
    site.settle_stages(&["detect", "score"], &mut [detect, score]);
    let points = failpoints(&[mutation]);
    let mut store = Weir::start(site, Start::instance("weir-0").role("store").failpoints(&points));
    site.settle_stages(&["store"], &mut [&mut store]);
    others.into_iter().for_each(Weir::stop);
    store.stop();
}

/// Detect ends when all is done and starts again: from offsets that moved no more, it does everything since anew.
fn restarted(site: &Site, mutation: &str, calls: u64) {
    let mut others = ["score", "store"].map(|role| Weir::start(site, Start::instance("weir-0").role(role)));
    let detect = |failpoints| Weir::start(site, Start::instance("weir-0").role("detect").failpoints(failpoints));
    let input = &site.inputs[0];
    // Offsets are committed first: detect refuses to begin without any when there are facts.
    let first = detect(SLOW);
    wait_until("an offset of each partition", PATIENCE, || {
        match site.kafka.committed(&site.group("detect"), input).len() as i32 {
            found if found == site.kafka.partitions(input) => Ok(()),
            found => Err(format!("{found} offsets")),
        }
    });
    first.stop();
    let rows = |least: u64| {
        wait_until(&format!("{least} rows"), PATIENCE, || match site.db.count("SELECT count() FROM interactions") {
            rows if rows >= least => Ok(()),
            rows => Err(format!("{rows} rows")),
        });
    };
    let second = detect(mutation);
    rows(calls);
    second.stop();
    let mut third = detect(mutation);
    if mutation.is_empty() {
        std::thread::sleep(Duration::from_secs(2));
        let [score, store] = &mut others;
        site.settle(&mut [&mut third, score, store]);
    } else {
        rows(calls + 1);
    }
    third.stop();
    others.into_iter().for_each(Weir::stop);
}

/// The group's offset of a partition of facts is moved back by hand, as if somebody had wanted to score them again.
#[test]
fn the_marker_keeps_state_and_offset_together() {
    let _slot = slot();
    let kafka = Kafka::connect(&servers::shared().brokers);
    let input = topic_name("marker-input");
    let events = traffic(43, 3_000);
    let (early, late) = events.split_at(1_500);
    let mut places = fill_keyed(&kafka, &input, 2, early);
    let sites = ["marker-kept", "marker-out"].map(|name| {
        let site = Site::new(name, std::slice::from_ref(&input));
        let mut weir = Weir::start(&site, Start::instance("weir-0"));
        site.settle(&mut [&mut weir]);
        weir.stop();
        site
    });
    let mut next = kafka.ends(&input);
    places.extend(append_keyed(&kafka, &input, &mut next, late));
    let expected = undisturbed("marker", &input, &events, &places);
    let [kept, out] = sites;

    let partition = move_back(&kept);
    stops_until_reset(&kept, partition);
    assert_green("marker", &Snapshot::take(&kept), &expected);
    assert_ledger(&kept);
    let resets = kept.db.lines("SELECT topic, partition FROM coverage WHERE kind = 'reset'");
    assert_eq!(resets, [format!("{}\t{partition}", kept.topic("facts"))], "a reset is in the ledger");

    move_back(&out);
    let mut weir = Weir::start(&out, Start::instance("weir-0").failpoints("mutation.marker=return"));
    out.settle(&mut [&mut weir]);
    weir.stop();
    assert_red("marker", &Snapshot::take(&out), &expected);
    kept.drop_all();
    out.drop_all();
    kafka.delete(&[&input]);
}

/// Moves the offset of the partition with most facts to its beginning.
fn move_back(site: &Site) -> i32 {
    let (group, facts) = (site.group("score"), site.topic("facts"));
    let committed = site.kafka.committed(&group, &facts);
    let (partition, (offset, _)) = committed.iter().max_by_key(|(_, (offset, _))| *offset).expect("facts were scored");
    assert!(*offset > 10, "{offset} facts are too few to be scored again");
    site.kafka.move_offset(&group, &facts, *partition, 0);
    *partition
}

/// The moved partition stops with the command that helps, the others go on; after the command all is well.
fn stops_until_reset(site: &Site, partition: i32) {
    let mut weir = Weir::start(site, Start::instance("weir-0"));
    weir.wait_for_log(&["partition stopped", &format!("weir state reset -c FILE --partition {partition}")]);
    site.settle_stages(&["detect"], &mut [&mut weir]);
    let number = partition.to_string();
    let reset = ["state", "reset", "--partition", number.as_str()];
    let refused = site.try_weir(&reset);
    assert_eq!(refused.status.code(), Some(1), "a reset is refused while score runs");
    weir.stop();
    wait_until("a reset after the members' session", PATIENCE, || {
        let output = site.try_weir(&reset);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    });
    let mut weir = Weir::start(site, Start::instance("weir-0"));
    site.settle(&mut [&mut weir]);
    weir.stop();
    let again = site.try_weir(&reset);
    assert_eq!(again.status.code(), Some(1), "there is nothing to reset any more");
}

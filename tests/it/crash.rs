//! Whatever happens to instances and to ClickHouse, rows, alerts and latest states are those of the undisturbed run.
//!
//! One topic is filled once and read by one undisturbed weir; then for every disturbance by another weir, with
//! topics, group and database of its own, while the disturbance happens. Detect is slowed down, so that there is
//! work in flight the whole time.

use crate::harness::kafka::Kafka;
use crate::harness::process::{Start, Weir};
use crate::harness::servers::{self, OwnClickHouse};
use crate::harness::site::{Options, Site, topic_name};
use crate::harness::snapshot::Snapshot;
use crate::harness::traffic::{Place, fill_keyed, traffic};
use crate::harness::{PATIENCE, say, slot, wait_until};
use crate::reconcile::{Expected, assert_ledger};
use crate::secrecy::Secrets;
use rustix::process::Signal;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use weir::generate::Generated;

const EVENTS: u64 = 4_000;
const INPUT_PARTITIONS: i32 = 4;

/// At most 500 events/s a thread: some seconds in which something can happen.
const SLOW: &str = "detect.after_poll=sleep(2)";

/// A commit takes so long that its instance can be killed while it is giving partitions back.
const SLOW_COMMITS: &str = "detect.after_poll=sleep(1);detect.after_produce=sleep(2000)";

/// Past the session of a site, and past the open transaction's timeout.
const PAST_SESSION: Duration = Duration::from_secs(14);

/// Longer than a site has work; a failpoint that was not reached by then will not be.
const WORK_LASTS: Duration = Duration::from_secs(40);

/// How often a disturbance is tried.
const TRIES: usize = 3;

/// What happens while a weir works.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    /// One of two dies at a failpoint and is started again.
    DiesAt(&'static str, &'static str),
    /// The first is killed between the two rounds of the rebalance that the second brings on, and started again:
    /// it gets its place back without a second round, in which the second would have got its share.
    DiesBetweenRounds,
    /// One of two is killed and never comes back.
    KilledForGood,
    /// A second and a third instance join.
    Join,
    /// One of two ends in order.
    Leave,
    /// One of two is stopped past its session, and woken when others have its partitions.
    Stopped,
    /// ClickHouse does not listen for a minute.
    ClickHouseAway,
    /// An outbox partition moves away and comes back while its group waits for ClickHouse, which does not listen.
    MovesInFlight,
    /// ClickHouse is killed again and again amid inserts.
    ClickHouseKilled,
}

/// Counts are such that the instance has committed something before, and dies with more to come.
const DISTURBANCES: &[(&str, Disturbance)] = {
    use Disturbance::{
        ClickHouseAway, ClickHouseKilled, DiesAt, DiesBetweenRounds, Join, KilledForGood, Leave, MovesInFlight, Stopped,
    };
    &[
        ("detect.after_poll", DiesAt("detect.after_poll", "300*sleep(2)->return")),
        ("detect.after_produce", DiesAt("detect.after_produce", "2*off->return")),
        ("detect.after_commit", DiesAt("detect.after_commit", "2*off->return")),
        ("detect.restore", DiesAt("detect.restore", "return")),
        ("score.after_poll", DiesAt("score.after_poll", "100*off->return")),
        ("score.after_produce", DiesAt("score.after_produce", "2*off->return")),
        ("score.after_commit", DiesAt("score.after_commit", "2*off->return")),
        ("score.restore", DiesAt("score.restore", "return")),
        ("store.after_intent", DiesAt("store.after_intent", "1*off->return")),
        ("store.between_tables", DiesAt("store.between_tables", "1*off->return")),
        ("store.before_commit", DiesAt("store.before_commit", "1*off->return")),
        ("between_rounds", DiesBetweenRounds),
        ("killed_for_good", KilledForGood),
        ("join", Join),
        ("leave", Leave),
        ("stopped", Stopped),
        ("clickhouse_away", ClickHouseAway),
        ("clickhouse_killed", ClickHouseKilled),
        ("moves_in_flight", MovesInFlight),
    ]
};

/// What all disturbed runs are compared with.
pub struct Undisturbed {
    pub kafka: Kafka,
    pub input: String,
    pub events: Vec<Generated>,
    pub places: Vec<Place>,
    pub snapshot: Snapshot,
}

impl Undisturbed {
    /// Fills a topic, and lets one weir read it.
    pub fn run(name: &str, count: u64) -> Self {
        let kafka = Kafka::connect(&servers::shared().brokers);
        let input = topic_name(&format!("{name}-input"));
        let events = traffic(7, count);
        let places = fill_keyed(&kafka, &input, INPUT_PARTITIONS, &events);
        let snapshot = undisturbed(name, &input, &events, &places);
        Undisturbed { kafka, input, events, places, snapshot }
    }

    pub fn expected(&self) -> Expected<'_> {
        Expected { events: &self.events, places: &self.places }
    }

    pub fn drop_all(self) {
        self.kafka.delete(&[&self.input]);
    }
}

/// One instance, start to end, checked against what was produced.
pub fn undisturbed(name: &str, input: &str, events: &[Generated], places: &[Place]) -> Snapshot {
    let site = Site::new(&format!("{name}-undisturbed"), &[input.to_string()]);
    let mut weir = Weir::start(&site, Start::instance("weir-0"));
    site.settle(&mut [&mut weir]);
    weir.stop();
    let expected = Expected { events, places };
    expected.assert_rows(&site);
    assert_ledger(&site);
    let snapshot = Snapshot::take(&site);
    assert!(snapshot.len("findings") > 0 && snapshot.len("alerts") > 0 && snapshot.len("states") > 0);
    say(&format!("{name}: undisturbed: {}", snapshot.summary()));
    site.drop_all();
    snapshot
}

#[test]
fn nothing_that_happens_changes_the_result() {
    let reference = {
        let _slot = slot();
        Undisturbed::run("crash", EVENTS)
    };
    let only = std::env::var("WEIR_IT_ONLY").unwrap_or_default();
    let chosen: VecDeque<_> = DISTURBANCES.iter().filter(|(name, _)| name.contains(&only)).collect();
    let waiting = Mutex::new(chosen);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((name, disturbance)) = { waiting.lock().expect("no panic under it").pop_front() } {
                    let _slot = slot();
                    let begun = Instant::now();
                    let outcome = catch_unwind(AssertUnwindSafe(|| disturbed(&reference, name, *disturbance)));
                    let seconds = begun.elapsed().as_secs_f64();
                    match outcome {
                        Ok(()) => say(&format!("crash: {name}: equal, {seconds:.1} s")),
                        Err(_) => {
                            say(&format!("crash: {name}: FAILED, {seconds:.1} s"));
                            failures.lock().expect("no panic under it").push(*name);
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic under it");
    assert!(failures.is_empty(), "these disturbances changed the result (see above): {failures:?}");
    reference.drop_all();
}

/// Runs a disturbance until it happened: when a rebalance took long, the work can be over before a failpoint is due.
fn disturbed(reference: &Undisturbed, name: &str, disturbance: Disturbance) {
    let happened = (0..TRIES).any(|attempt| has_happened(reference, name, attempt, disturbance));
    assert!(happened, "{name}: the failpoint was not reached in {TRIES} runs");
}

fn has_happened(reference: &Undisturbed, name: &str, attempt: usize, disturbance: Disturbance) -> bool {
    use Disturbance::{ClickHouseAway, ClickHouseKilled, MovesInFlight};
    let own = matches!(disturbance, ClickHouseAway | ClickHouseKilled | MovesInFlight);
    let own = own.then(|| OwnClickHouse::start(name));
    let options = Options { clickhouse_url: own.as_ref().map(|own| own.url.as_str()), ..Options::default() };
    let site = Site::with(&format!("crash-{name}-{attempt}"), std::slice::from_ref(&reference.input), options);
    let pace = if matches!(disturbance, Disturbance::DiesBetweenRounds) { SLOW_COMMITS } else { SLOW };
    let mut first = Weir::start(&site, Start::instance("weir-0").failpoints(pace));
    first.wait_for_log(&["assigned", "detect"]);
    let mut running = vec![first];
    match disturbance {
        Disturbance::DiesAt(point, action) => {
            if !dies_at(&site, &mut running, point, action) {
                say(&format!("crash: {name}: not reached, once more"));
                running.into_iter().for_each(Weir::stop);
                site.drop_all();
                return false;
            }
        }
        Disturbance::DiesBetweenRounds => between_rounds(&site, &mut running),
        Disturbance::KilledForGood => second(&site, "weir-1").kill(),
        Disturbance::Join => {
            running.push(second(&site, "weir-1"));
            running.push(second(&site, "weir-2"));
        }
        Disturbance::Leave => second(&site, "weir-1").stop(),
        Disturbance::Stopped => {
            let stopped = second(&site, "weir-1");
            stopped.signal(Signal::STOP);
            std::thread::sleep(PAST_SESSION);
            stopped.signal(Signal::CONT);
            running.push(stopped);
        }
        Disturbance::ClickHouseAway => {
            running.push(second(&site, "weir-1"));
            away(&site, own.as_ref().expect("it has one of its own"), &mut running);
        }
        Disturbance::MovesInFlight => moves_in_flight(&site, own.as_ref().expect("it has one of its own")),
        Disturbance::ClickHouseKilled => {
            running.push(second(&site, "weir-1"));
            killed_amid_inserts(&site, own.as_ref().expect("it has one of its own"));
        }
    }
    site.settle(&mut running.iter_mut().collect::<Vec<_>>());
    let again: usize = running.iter().map(|weir| weir.log_text().matches("starting again").count()).sum();
    running.into_iter().for_each(Weir::stop);
    if again > 0 {
        say(&format!("crash: {name}: loops started again {again} times"));
    }
    let snapshot = Snapshot::take(&site);
    snapshot.assert_equal(&reference.snapshot, name);
    reference.expected().assert_rows(&site);
    assert_ledger(&site);
    Secrets::of(&reference.events).assert_absent(&site);
    site.drop_all();
    true
}

/// Another instance, under load: it has partitions and has committed some of their events.
fn second(site: &Site, instance: &str) -> Weir {
    let mut weir = Weir::start(site, Start::instance(instance).failpoints(SLOW));
    weir.wait_for_log(&["assigned", "detect"]);
    weir.wait_for_log(&["assigned", "score"]);
    std::thread::sleep(Duration::from_millis(700));
    weir
}

fn dies_at(site: &Site, running: &mut Vec<Weir>, point: &str, action: &str) -> bool {
    let failpoints =
        if point == "detect.after_poll" { format!("{point}={action}") } else { format!("{SLOW};{point}={action}") };
    let is_killed = Weir::start(site, Start::instance("weir-1").failpoints(&failpoints)).was_killed(WORK_LASTS);
    if is_killed {
        running.push(Weir::start(site, Start::instance("weir-1").failpoints(SLOW)));
    }
    is_killed
}

/// What the second has been promised in the first round must find an owner all the same.
fn between_rounds(site: &Site, running: &mut Vec<Weir>) {
    let mut second = Weir::start(site, Start::instance("weir-1").failpoints(SLOW));
    second.wait_for_log(&["assigned", "detect", "partitions=0"]);
    running.remove(0).kill();
    let mut first = Weir::start(site, Start::instance("weir-0").failpoints(SLOW));
    wait_until("a member that gives away what nobody owns", PATIENCE, || {
        let told = [&first, &second].iter().any(|weir| weir.log_text().contains("partitions without an owner"));
        if told { Ok(()) } else { Err("no word of it in the logs".into()) }
    });
    first.wait_for_log(&["assigned", "detect"]);
    running.extend([first, second]);
}

/// A minute without ClickHouse: alerts go on meanwhile.
fn away(site: &Site, own: &OwnClickHouse, running: &mut [Weir]) {
    own.toggle_http();
    let gone = Instant::now();
    site.settle_stages(&["detect", "score"], &mut running.iter_mut().collect::<Vec<_>>());
    let minute = Duration::from_secs(60);
    std::thread::sleep(minute.saturating_sub(gone.elapsed()));
    own.toggle_http();
}

/// A paused partition is one that is fetched again when it comes back.
fn moves_in_flight(site: &Site, own: &OwnClickHouse) {
    own.toggle_http();
    // Longer than a group gathers, so that the partitions are paused.
    std::thread::sleep(Duration::from_secs(2));
    second(site, "weir-1").stop();
    // Its partition is back when its session is over.
    std::thread::sleep(PAST_SESSION);
    own.toggle_http();
}

fn killed_amid_inserts(site: &Site, own: &OwnClickHouse) {
    let mut seen = 0;
    for _ in 0..3 {
        seen = wait_until("further rows, or the last of them", PATIENCE, || {
            let rows = site.db.ask("SELECT count() FROM interactions", "TSV")?;
            let rows: u64 = rows.trim().parse().map_err(|_| format!("no number: {rows}"))?;
            if rows > seen || rows + 100 > EVENTS { Ok(rows) } else { Err(format!("{rows} rows")) }
        });
        own.kill();
        std::thread::sleep(Duration::from_millis(500));
        own.up();
    }
}

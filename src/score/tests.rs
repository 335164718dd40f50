//! The state as others see it: its bytes, its bounds, and that it depends on the facts alone.
//!
//! Each scorer's arithmetic is tested beside it.

use super::*;
use crate::limits;
use crate::model::{ContentState, Destination, Position, Principal, PrincipalKind, Warnings};
use crate::score::gcra::{BURST_MAX, EVERY_MAX_MS, TAT_MAX_NS};
use crate::score::throttles::{RUN_MAX_MS, Throttle};
use proptest::prelude::*;
use std::num::NonZeroU32;

/// Facts of an interaction without hits, at an event time in ms.
pub(crate) fn facts(principal: &str, time_ms: i64) -> Facts<'_> {
    Facts {
        position: Position { topic: "llm.events", partition: 3, offset: 912 },
        index: 0,
        timestamp_ms: time_ms,
        time_ms,
        source_id: "",
        conversation: "",
        principal: Principal { kind: PrincipalKind::User, value: principal },
        application: "",
        provider: "",
        model: "",
        destination: Destination::default(),
        input_tokens: None,
        output_tokens: None,
        status: 200,
        latency_ms: None,
        content_state: ContentState::Full,
        warnings: Warnings::default(),
        messages: 1,
        input_bytes: 10,
        output_bytes: 0,
        part_hashes: Vec::new(),
        key_id: "",
        hits: Vec::new(),
        hits_dropped: 0,
    }
}

const T0: i64 = 1_766_000_000_000;

fn limits(requests: u32, tokens: u32) -> Limits {
    Limits { requests_per_minute: NonZeroU32::new(requests), tokens_per_minute: NonZeroU32::new(tokens) }
}

fn bytes(state: &State) -> Vec<u8> {
    let mut out = Vec::new();
    state.encode(&mut out);
    out
}

/// Scores one call and returns its crossings as (unit, observed, window, denied before).
fn call(state: &mut State, limits: &Limits, time_ms: i64, tokens: Option<u64>) -> Vec<(&'static str, u64, i64, u64)> {
    let mut facts = facts("u-1", time_ms);
    facts.input_tokens = tokens;
    let scores = score(state, &facts, limits);
    let measures = scores.crossings.into_iter().map(|crossing| crossing.measure);
    measures.map(|m| (m.unit, m.observed, m.window_end_ms - m.window_start_ms, m.denied_before)).collect()
}

#[test]
fn a_crossing_is_reported_once_and_ends_when_the_cell_is_full_again() {
    let (mut state, limits) = (State::default(), limits(3, 0));
    for second in 0..3 {
        assert_eq!(call(&mut state, &limits, T0 + second * 1_000, None), []);
    }
    assert_eq!(call(&mut state, &limits, T0 + 3_000, None), [("requests", 4, 3_000, 0)]);
    assert_eq!(call(&mut state, &limits, T0 + 4_000, None), [], "told once");
    assert_eq!(call(&mut state, &limits, T0 + 20_000, None), [], "one came back");
    assert_eq!(call(&mut state, &limits, T0 + 20_001, None), [], "denied again, in the same crossing");
    // Full at T0 + 80 s: three in the first second, one at 20 s, each 20 s.
    assert_eq!(call(&mut state, &limits, T0 + 79_999, None), [], "not full yet, so the crossing is still open");
    for time_ms in [T0 + 200_000, T0 + 200_000, T0 + 200_001] {
        assert_eq!(call(&mut state, &limits, time_ms, None), []);
    }
    assert_eq!(call(&mut state, &limits, T0 + 200_002, None), [("requests", 4, 2, 2)], "what followed is told");
}

#[test]
fn denials_after_the_report_are_told_by_the_next_alert() {
    let (mut state, limits) = (State::default(), limits(1, 0));
    for _ in 0..5 {
        call(&mut state, &limits, T0, None);
    }
    assert_eq!(state.tell().denied, [(Limit::RequestsPerMinute, 3)]);
    let told = state.tell();
    assert_eq!((told.sequence, told.denied.len()), (2, 0));
}

#[test]
fn tokens_count_when_they_are_reported() {
    let (mut state, limits) = (State::default(), limits(0, 100));
    assert_eq!(call(&mut state, &limits, T0, None), []);
    assert_eq!(state.tokens, Ceiling::default());
    assert_eq!(call(&mut state, &limits, T0, Some(60)), []);
    assert_eq!(call(&mut state, &limits, T0 + 500, Some(41)), [("tokens", 101, 500, 0)]);
    assert_eq!(call(&mut state, &limits, T0 + 500, Some(40)), [], "a denial takes nothing");
    let mut both = facts("u-1", T0 + 600_000);
    (both.input_tokens, both.output_tokens) = (Some(50), Some(51));
    assert_eq!(score(&mut state, &both, &limits).crossings[0].measure.observed, 101);
}

#[test]
fn a_call_above_the_whole_limit_is_a_crossing_each_time() {
    let (mut state, limits) = (State::default(), limits(0, 100));
    assert_eq!(call(&mut state, &limits, T0, Some(u64::MAX)), [("tokens", u64::MAX, 0, 0)]);
    assert_eq!(call(&mut state, &limits, T0 + 1, Some(101)), [("tokens", 101, 0, 0)]);
    assert_eq!(call(&mut state, &limits, T0 + 2, Some(1)), []);
    assert_eq!(call(&mut state, &limits, T0 + 3, Some(101)), [("tokens", 102, 1, 0)]);
}

#[test]
fn late_events_count_at_the_newest_time() {
    let (mut state, limits) = (State::default(), limits(2, 0));
    assert_eq!(call(&mut state, &limits, T0, None), []);
    assert_eq!(call(&mut state, &limits, T0 - 90_000, None), []);
    assert_eq!(call(&mut state, &limits, T0 - 60_000, None), [("requests", 3, 0, 0)]);
    assert_eq!(state.newest_ms, T0);
}

#[test]
fn only_a_state_that_was_never_used_is_absent() {
    let mut state = State::default();
    assert!(state.is_absent());
    assert!(State::decode(&bytes(&state)).unwrap().is_absent());
    score(&mut state, &facts("u-1", 0), &Limits::default());
    assert!(!state.is_absent());
}

#[test]
fn golden_bytes() {
    let (mut state, limits) = (State::default(), limits(2, 1_000));
    for second in 0..5 {
        call(&mut state, &limits, T0 + second * 1_000, Some(300));
    }
    let (quota, finding) = (Gcra::every(1, 3_600_000), Uid([0xab; 16]));
    assert!(state.ask("secret.aws_access_key", finding, quota).is_some());
    state.tell();
    assert!(state.ask("secret.aws_access_key", finding, quota).is_none());
    let hex: String = bytes(&state).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "02a097b6eeb23305010280c0e19da103c03e05000280d0dbc3f402c03edc0b00\
         0001157365637265742e6177735f6163636573735f6b65790080bab70301\
         80bab70302abababababababababababababababab"
    );
    assert!(bytes(&state).len() <= 100);
}

#[test]
fn the_worst_state_fits() {
    let worst = Ceiling { tat_ns: TAT_MAX_NS, since_ms: 0, count: u64::MAX, open: true, denied: u64::MAX };
    let mut state = State {
        newest_ms: 1,
        interactions: u64::MAX,
        requests: worst.clone(),
        tokens: worst,
        alerts: u64::MAX,
        throttles: Throttles { all: Vec::new(), held_by_evicted: u32::MAX - 5 },
    };
    let quota = Gcra::every(BURST_MAX, EVERY_MAX_MS);
    for length in (1..=200).chain([3; 40]) {
        state.newest_ms += 1;
        let rule = format!("{}.{length}.{}", "r".repeat(length), state.newest_ms);
        while state.ask(&rule, Uid([0xff; 16]), quota).is_some() {}
        for throttle in &mut state.throttles.all {
            throttle.held = u32::MAX;
            throttle.run.findings = u32::MAX;
        }
        let mut far = state.clone();
        far.newest_ms = TIME_MAX_MS;
        assert!(bytes(&state).len() <= STATE_MAX_BYTES && bytes(&far).len() <= STATE_MAX_BYTES);
        assert_eq!(State::decode(&bytes(&state)).unwrap(), state);
    }
}

#[test]
fn throttles_hold_back_and_tell() {
    let mut state = State { newest_ms: T0, ..State::default() };
    let quota = Gcra::every(2, 1_000);
    let told: Vec<_> = (0..4).map(|finding| ask(&mut state, "a", finding, quota)).collect();
    assert_eq!(told, [Some((0, T0, 1)), Some((0, T0, 2)), None, None]);
    state.newest_ms = T0 + 999;
    assert_eq!(ask(&mut state, "a", 4, quota), None, "the run goes on with what is held back");
    state.newest_ms = T0 + 1_000;
    assert_eq!(ask(&mut state, "a", 5, quota), Some((0, T0, 6)), "one more, in the same run");
    assert_eq!(ask(&mut state, "b", 6, quota), Some((6, T0 + 1_000, 1)));
    let held = state.tell().held;
    assert_eq!((held.total, held.by_rule), (3, vec![("a".into(), 3)]));
    assert_eq!(state.tell().held, Held::default());
    state.newest_ms = T0 + 3_000;
    assert_eq!(ask(&mut state, "a", 7, quota), Some((7, T0 + 3_000, 1)), "a quiet interval: a new run");
    state.tell();
    assert_eq!(state.throttles.all.len(), 1, "b's run is over and holds nothing back");
}

/// Asks, and returns the run as (who opened it, when, how many findings it has).
fn ask(state: &mut State, rule: &str, finding: u8, quota: Gcra) -> Option<(u8, i64, u32)> {
    let run = state.ask(rule, Uid([finding; 16]), quota)?;
    Some((run.opened_by.0[0], run.opened_ms, run.findings))
}

#[test]
fn a_trouble_that_goes_on_is_one_run_for_a_day() {
    const HOUR_MS: i64 = 3_600_000;
    let (mut state, quota) = (State::default(), Gcra::every(1, HOUR_MS.unsigned_abs()));
    let mut told = Vec::new();
    for half_hour in 0..=50 {
        state.newest_ms = T0 + half_hour * HOUR_MS / 2;
        told.extend(ask(&mut state, "a", half_hour as u8, quota));
        state.tell();
        state = State::decode(&bytes(&state)).unwrap();
    }
    assert_eq!(told[..3], [(0, T0, 1), (0, T0, 3), (0, T0, 5)]);
    assert_eq!(told[23..], [(0, T0, 47), (48, T0 + RUN_MAX_MS, 1), (48, T0 + RUN_MAX_MS, 3)]);
}

#[test]
fn what_is_held_back_after_a_run_opens_none() {
    // Only another configuration can leave a cell empty past the end of a run.
    let (mut state, slow) = (State { newest_ms: T0, ..State::default() }, Gcra::every(2, 10_000));
    state.ask("a", Uid([1; 16]), Gcra::every(1, 1_000));
    state.throttles.all[0].full_ms = T0 + 60_000;
    state.newest_ms = T0 + 1_000;
    assert_eq!(ask(&mut state, "a", 2, slow), None);
    state.newest_ms = T0 + 60_000;
    assert_eq!(ask(&mut state, "a", 3, slow), Some((3, T0 + 60_000, 1)));
}

/// The state of `golden_bytes` as version 1 wrote it.
const VERSION_1: &str = "01a097b6eeb23305010280c0e19da103c03e05000280d0dbc3f402c03edc0b00\
                         0001157365637265742e6177735f6163636573735f6b65790080bab70301";

#[test]
fn the_version_before_is_read() {
    let record: Vec<u8> = (0..VERSION_1.len() / 2)
        .map(|index| u8::from_str_radix(&VERSION_1[2 * index..2 * index + 2], 16).unwrap())
        .collect();
    let mut state = State::decode(&record).unwrap();
    assert_eq!((state.newest_ms, state.interactions, state.alerts), (T0 + 4_000, 5, 1));
    let quota = Gcra::every(1, 3_600_000);
    assert_eq!(ask(&mut state, "secret.aws_access_key", 1, quota), None, "the cell is as it was left");
    state.newest_ms += 3_600_000;
    assert_eq!(ask(&mut state, "secret.aws_access_key", 2, quota), Some((2, T0 + 3_604_000, 1)));
    assert_eq!(state.tell().held.by_rule, [("secret.aws_access_key".into(), 2)]);
    assert_eq!(State::decode(&[0]), Err(CodecError::Version { found: 0, known: VERSION }));
    assert_eq!(State::decode(&[VERSION + 1]), Err(CodecError::Version { found: VERSION + 1, known: VERSION }));
}

#[test]
fn the_run_opened_first_makes_room_and_what_it_held_is_still_told() {
    let mut state = State { newest_ms: T0, ..State::default() };
    let quota = Gcra::every(1, 3_600_000);
    for rule in 0..33 {
        state.newest_ms += 1;
        assert!(state.ask(&format!("r{rule}"), Uid([0; 16]), quota).is_some());
        assert!(state.ask(&format!("r{rule}"), Uid([0; 16]), quota).is_none());
    }
    let kept = state.throttles.all.len();
    assert!((10..=limits::THROTTLES_PER_PRINCIPAL).contains(&kept), "{kept}");
    assert!(state.throttles.all.iter().all(|throttle| &*throttle.rule != "r0"));
    let held = state.tell().held;
    assert_eq!((held.total, held.by_rule.len()), (33, kept));
}

fn any_time() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), T0..T0 + 100_000, 0..=TIME_MAX_MS]
}

fn any_ceiling() -> impl Strategy<Value = Ceiling> {
    (0..=TAT_MAX_NS, any_time(), any::<u64>(), any::<bool>(), any::<u64>())
        .prop_map(|(tat_ns, since_ms, count, open, denied)| Ceiling { tat_ns, since_ms, count, open, denied })
}

fn any_state() -> impl Strategy<Value = State> {
    let run = (any::<[u8; 16]>(), any_time(), any_time(), any::<u32>()).prop_map(
        |(opened_by, opened_ms, ends_ms, findings)| Run { opened_by: Uid(opened_by), opened_ms, ends_ms, findings },
    );
    let throttle = ("[a-z.]{0,40}", any_time(), any::<u32>(), run).prop_map(|(rule, full_ms, held, run)| Throttle {
        rule: rule.into(),
        full_ms,
        held,
        run,
    });
    let throttles = (proptest::collection::vec(throttle, 0..=limits::THROTTLES_PER_PRINCIPAL), any::<u32>())
        .prop_map(|(all, held_by_evicted)| Throttles { all, held_by_evicted });
    (any_time(), any::<u64>(), any_ceiling(), any_ceiling(), any::<u64>(), throttles).prop_map(
        |(newest_ms, interactions, requests, tokens, alerts, throttles)| State {
            newest_ms,
            interactions,
            requests,
            tokens,
            alerts,
            throttles,
        },
    )
}

proptest! {
    #[test]
    fn a_state_comes_back(state in any_state()) {
        prop_assert_eq!(State::decode(&bytes(&state)).unwrap(), state);
    }

    #[test]
    fn foreign_bytes_are_refused_or_safe(mut record: Vec<u8>, version in 1..=VERSION, time_ms: i64, tokens: u64) {
        if let Some(first) = record.first_mut() {
            *first = version;
        }
        if let Ok(mut state) = State::decode(&record) {
            use_everything(&mut state, time_ms, tokens);
        }
    }

    #[test]
    fn broken_states_are_refused_or_safe(state in any_state(), at: prop::sample::Index, byte: u8, time_ms: i64, tokens: u64) {
        let mut record = bytes(&state);
        let index = at.index(record.len());
        record[index] = byte;
        if let Ok(mut state) = State::decode(&record) {
            use_everything(&mut state, time_ms, tokens);
        }
    }
}

fn use_everything(state: &mut State, time_ms: i64, tokens: u64) {
    call(state, &limits(u32::MAX, 1), time_ms, Some(tokens));
    state.ask("some.rule", Uid([7; 16]), Gcra::every(BURST_MAX, EVERY_MAX_MS));
    state.tell();
    assert_eq!(State::decode(&bytes(state)).unwrap(), *state);
}

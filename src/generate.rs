//! Labelled, seeded LLM traffic: ordinary calls of many principals over a span of time, with incidents planted
//! among them and a truth record for each.
//!
//! The same [`Options`] give the same bytes, on every machine: there is no clock, no randomness but the seed's, and
//! no I/O in here. Each planted value is unique, well-formed down to its check digits, and opens nothing. Ordinary
//! calls hold nothing that a rule should report, and no principal but those of planted bursts comes near a hundred
//! calls a minute. (Texts from outside, [`Options::texts`], hold what they hold.)
//!
//! **Truth is secret material.** A truth record holds the planted value in clear, so that a test can search every
//! output of weir for it. Keep truth files away from logs, topics and repositories, as if the values were real.

mod cast;
mod languages;
mod options;
mod phrases;
mod plant;
mod random;
mod rhythm;
mod truth;
mod wire;

pub use options::{Options, OptionsError};
pub use rhythm::{Arrival, Arrivals};
pub use truth::{Carrier, Incident, Kind};
pub use wire::Shape;

use sha2::{Digest, Sha256};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use self::cast::{Application, Cast, Route, application, route, routes};
use self::options::{BURST_CALLS, BURST_MS, TOKEN_BURST_CALLS, TOKEN_BURST_TOKENS};
use self::phrases::{Topic, answer, answer_of, question, short, tool_result};
use self::plant::{Planted, planted};
use self::random::Random;
use self::rhythm::Clock;
use self::truth::IN_TEXT;
use self::wire::{Call, Speaker, Turn};

/// Open conversations, of which ordinary calls continue one or another.
const CONVERSATIONS: usize = 48;

/// Largest text that is made up to reach the size of a measured call, in bytes.
const SIZED_MAX_BYTES: usize = 128 << 10;

/// One event, and what was planted in it.
pub struct Generated {
    /// `kind:value` of the principal; none for a bad event.
    pub key: Option<String>,
    /// The event's time and the record's CreateTime, in ms since the epoch. It falls where an event is late.
    pub timestamp_ms: i64,
    /// When the event is sent, in ms since the epoch: its time, unless it is late. Never falls.
    pub due_ms: i64,
    pub payload: Vec<u8>,
    /// Of a burst it comes with the first call.
    pub truth: Option<Incident>,
}

/// Starts a stream. It ends after `options.count` events, or with the given arrivals.
pub fn generate(options: &Options) -> Result<Generator, OptionsError> {
    let cast = Cast::new(options.principals);
    options.check(&cast)?;
    let mut random = Random::new(options.seed);
    // Bursts go to principals in a row from a random one on: each has one at most.
    let first_burst = random.below(u64::from(options.principals));
    let mut clock = options.clock(&cast);
    let next = clock.next(&mut random);
    Ok(Generator {
        routes: routes(&options.shapes),
        cast,
        clock,
        first_ms: next.map_or(options.start_ms, |arrival| arrival.time_ms),
        next,
        random,
        options: options.clone(),
        ordinary: options.ordinary(),
        bursts: options.bursts(),
        first_burst,
        bursts_begun: 0,
        burst_calls: BinaryHeap::new(),
        conversations: Vec::new(),
        conversations_begun: 0,
        placed: 0,
        sequence: 0,
        incidents: 0,
        incident_debt: 0,
        bad_debt: 0,
        kind: 0,
        bad: 0,
    })
}

/// A stream of events in the order in which they are sent.
pub struct Generator {
    options: Options,
    cast: Cast,
    routes: Vec<Route>,
    random: Random,
    clock: Clock,
    /// When the next ordinary call is due, and when the first was.
    next: Option<Arrival>,
    first_ms: i64,
    /// Events that belong to no burst, and how many of them were placed.
    ordinary: u64,
    placed: u64,
    bursts: u64,
    bursts_begun: u64,
    /// The principal of the first burst.
    first_burst: u64,
    /// Calls of bursts that are due: time, burst, number in the burst.
    burst_calls: BinaryHeap<Reverse<(i64, u64, u64)>>,
    conversations: Vec<Conversation>,
    conversations_begun: u64,
    /// Events so far, and incidents so far.
    sequence: u64,
    incidents: u64,
    /// Shares that are owed, in thousandths of an event.
    incident_debt: u32,
    bad_debt: u32,
    /// Whose turn it is in [`IN_TEXT`], and among bad events.
    kind: usize,
    bad: u64,
}

/// A dialogue that goes on.
struct Conversation {
    name: String,
    caller: usize,
    application: &'static Application,
    topic: &'static Topic,
    route: Route,
    history: Vec<Turn>,
    /// Tool calls so far.
    calls: u64,
    turns_left: u32,
}

/// What one call says.
struct Script {
    input: Vec<Turn>,
    output: Turn,
    /// Tokens to and from the model, when they are not to be told from the texts.
    tokens: Option<[u64; 2]>,
}

/// Whose call it is, and by which way it goes.
struct Party {
    caller: usize,
    application: &'static Application,
    route: Route,
    conversation: String,
}

impl Iterator for Generator {
    type Item = Generated;

    fn next(&mut self) -> Option<Generated> {
        self.begin_burst();
        let burst_ms = self.burst_calls.peek().map(|Reverse((time_ms, ..))| *time_ms);
        let generated = match (burst_ms, self.next) {
            (Some(burst_ms), next) if next.is_none_or(|next| burst_ms <= next.time_ms) => self.burst_call()?,
            (_, Some(arrival)) => {
                self.next = self.clock.next(&mut self.random);
                self.placed += 1;
                self.ordinary_event(arrival)
            }
            _ => return None,
        };
        self.sequence += 1;
        Some(generated)
    }
}

impl Generator {
    /// Puts the calls of a burst on the list when its place among the ordinary calls is reached.
    fn begin_burst(&mut self) {
        let due = (self.bursts_begun + 1) * self.ordinary / (self.bursts + 1);
        if self.bursts_begun == self.bursts || self.placed < due {
            return;
        }
        // A burst that would run past the end is faster still.
        let now = self.next.map_or(self.options.end_ms - 1, |arrival| arrival.time_ms);
        let step = BURST_MS.min(self.options.end_ms - 1 - now).max(0);
        let calls = burst_kind(self.bursts_begun).1;
        for call in 0..calls {
            let time_ms = now + step * call as i64 / calls as i64;
            self.burst_calls.push(Reverse((time_ms, self.bursts_begun, call)));
        }
        self.bursts_begun += 1;
    }

    fn burst_call(&mut self) -> Option<Generated> {
        let Reverse((time_ms, burst, number)) = self.burst_calls.pop()?;
        let (kind, events) = burst_kind(burst);
        let caller = ((self.first_burst + burst) % u64::from(self.options.principals)) as usize;
        let mut fixed = Random::new(self.options.seed ^ burst);
        let application = application(caller, &mut fixed);
        let party = Party {
            caller,
            application,
            route: route(caller, &self.routes, &mut fixed),
            conversation: format!("run-{:05}", self.options.seed % 1_000 + burst),
        };
        let system = Turn::new(Speaker::System, application.system);
        let script = Script {
            input: vec![system, Turn::new(Speaker::User, short(&mut self.random))],
            output: Turn::new(Speaker::Assistant, "delivery"),
            // Of scanned pages, which tokens count and texts do not.
            tokens: (kind == Kind::TokenBurst).then_some([TOKEN_BURST_TOKENS, 3]),
        };
        let (id, payload) = self.write(time_ms, &party, script);
        let truth = (number == 0).then(|| Incident { events, ..self.incident(kind, id, time_ms, Some(caller)) });
        let key = Some(self.cast.callers[caller].key());
        Some(Generated { key, timestamp_ms: time_ms, due_ms: time_ms, payload, truth })
    }

    /// An ordinary call, one with something planted in it, or no event at all.
    fn ordinary_event(&mut self, arrival: Arrival) -> Generated {
        self.incident_debt += self.options.incidents_permille;
        self.bad_debt += self.options.bad_permille;
        if self.incident_debt >= 1_000 {
            self.incident_debt -= 1_000;
            let kind = IN_TEXT[self.kind % IN_TEXT.len()];
            self.kind += 1;
            return self.conversation_call(arrival, Some(kind));
        }
        if self.bad_debt >= 1_000 {
            self.bad_debt -= 1_000;
            return self.bad_event(arrival.time_ms);
        }
        self.conversation_call(arrival, None)
    }

    fn conversation_call(&mut self, arrival: Arrival, kind: Option<Kind>) -> Generated {
        let mut conversation = self.take_conversation(arrival.time_ms);
        let caller = conversation.caller;
        self.cast.count_call(caller, arrival.time_ms);
        let time_ms = self.event_time(arrival.time_ms);
        let place = kind.map(|kind| self.place(kind, conversation.route.shape));
        // A text from outside has the size that it has.
        let tokens = arrival.tokens.filter(|_| self.options.texts.is_empty());
        let fresh = self.fresh_turns(&mut conversation, place, tokens);
        let output = self.output(&mut conversation, &fresh, place, tokens);

        let mut input = vec![Turn::new(Speaker::System, conversation.application.system)];
        input.extend(conversation.history.iter().chain(&fresh).cloned());
        let tokens = tokens.map(|tokens| tokens.map(u64::from));
        let mut script = Script { input, output: output.clone(), tokens };
        let value = kind.zip(place).and_then(|(kind, place)| self.plant(kind, place, time_ms, &mut script));
        let party = Party {
            caller,
            application: conversation.application,
            route: conversation.route,
            conversation: conversation.name.clone(),
        };
        let (id, payload) = self.write(time_ms, &party, script);
        let truth = kind.map(|kind| self.incident_of_value(kind, place, value, id, time_ms, &party));

        conversation.turns_left -= 1;
        if conversation.turns_left > 0 {
            // What was planted is not sent again with the history: one incident is one event.
            conversation.history.extend(fresh);
            conversation.history.push(output);
            self.conversations.push(conversation);
        }
        let key = Some(self.cast.callers[caller].key());
        Generated { key, timestamp_ms: time_ms, due_ms: arrival.time_ms, payload, truth }
    }

    /// One that is open and whose principal has calls left, else a new one.
    fn take_conversation(&mut self, time_ms: i64) -> Conversation {
        let is_full = self.conversations.len() >= CONVERSATIONS;
        if !self.conversations.is_empty() && (is_full || self.random.chance(55)) {
            let index = self.random.below(self.conversations.len() as u64) as usize;
            if self.cast.is_free(self.conversations[index].caller, time_ms) {
                return self.conversations.swap_remove(index);
            }
        }
        let caller = self.cast.draw(time_ms, &mut self.random);
        let application = application(caller, &mut self.random);
        self.conversations_begun += 1;
        Conversation {
            name: format!("conv-{:07}", self.conversations_begun),
            caller,
            application,
            topic: self.cast.callers[caller].topic(application, &mut self.random),
            route: route(caller, &self.routes, &mut self.random),
            history: Vec::new(),
            calls: 0,
            turns_left: self.options.turns.map_or_else(|| self.random.between(1, 6) as u32, |turns| turns.get()),
        }
    }

    /// The time of an event that is sent at `due_ms`: earlier for the late ones, most of them by minutes.
    fn event_time(&mut self, due_ms: i64) -> i64 {
        if self.random.below(1_000) >= u64::from(self.options.late_permille) {
            return due_ms;
        }
        let seconds =
            if self.random.chance(90) { self.random.between(5, 300) } else { self.random.between(300, 10_800) };
        (due_ms - 1_000 * seconds as i64).max(self.first_ms)
    }

    /// Where to plant. In a stream half of the secrets stand in the answer, so that chunks cut them.
    fn place(&mut self, kind: Kind, shape: Shape) -> Carrier {
        if shape.is_stream() && kind.is_secret() && self.random.chance(50) {
            return Carrier::Stream;
        }
        match *self.random.pick(kind.carriers()) {
            Carrier::Answer if shape.is_stream() => Carrier::Stream,
            place => place,
        }
    }

    /// What is new since the conversation's last answer.
    fn fresh_turns(
        &mut self,
        conversation: &mut Conversation,
        place: Option<Carrier>,
        tokens: Option<[u32; 2]>,
    ) -> Vec<Turn> {
        let topic = conversation.topic;
        let mut turns = Vec::new();
        if conversation.history.last().is_some_and(|turn| turn.speaker == Speaker::Call) {
            turns.push(self.result(conversation));
            if place.is_none() {
                return turns;
            }
            turns.push(self.turn(Speaker::Assistant, |random| answer(topic, random)));
        }
        let resent: usize = conversation.history.iter().map(|turn| turn.text.len()).sum();
        let least = tokens.map_or(0, |[input, _]| bytes_of(input).saturating_sub(resent));
        turns.push(self.turn(Speaker::User, |random| question(topic, least, random)));
        if matches!(place, Some(Carrier::ToolCall | Carrier::ToolResult)) || self.random.chance(20) {
            turns.push(self.call(conversation));
            turns.push(self.result(conversation));
        }
        turns
    }

    /// The answer; of ordinary calls some ask for the tool, and the next call brings its result.
    fn output(
        &mut self,
        conversation: &mut Conversation,
        fresh: &[Turn],
        place: Option<Carrier>,
        tokens: Option<[u32; 2]>,
    ) -> Turn {
        let is_asked = fresh.last().is_some_and(|turn| turn.speaker == Speaker::User);
        if is_asked && place.is_none() && self.random.chance(8) {
            return self.call(conversation);
        }
        let topic = conversation.topic;
        self.turn(Speaker::Assistant, |random| match tokens {
            Some([_, output]) => answer_of(topic, bytes_of(output), random),
            None => answer(topic, random),
        })
    }

    fn call(&mut self, conversation: &mut Conversation) -> Turn {
        conversation.calls += 1;
        Turn { call: conversation.calls, ..Turn::new(Speaker::Call, short(&mut self.random)) }
    }

    /// What the conversation's last tool call gives.
    fn result(&mut self, conversation: &Conversation) -> Turn {
        let turn = self.turn(Speaker::Result, |random| tool_result(conversation.topic, random));
        Turn { call: conversation.calls, ..turn }
    }

    /// A text from outside, if there are any, else one that is made up.
    fn turn(&mut self, speaker: Speaker, make_up: impl FnOnce(&mut Random) -> String) -> Turn {
        let texts = &self.options.texts;
        let text: Arc<str> = match texts.is_empty() {
            true => make_up(&mut self.random).into(),
            false => self.random.pick(texts).clone(),
        };
        Turn::new(speaker, text)
    }

    /// Writes a call down; returns the id that it carries, and the payload.
    fn write(&mut self, time_ms: i64, party: &Party, script: Script) -> (String, Vec<u8>) {
        let call = Call {
            sequence: self.sequence,
            time_ms,
            conversation: party.conversation.clone(),
            caller: &self.cast.callers[party.caller],
            application: party.application,
            model: party.route.model,
            shape: party.route.shape,
            latency_ms: self.random.between(300, 9_000),
            tokens: script.tokens,
            input: script.input,
            output: script.output,
        };
        call.write()
    }

    /// Makes a value and puts it into the script.
    fn plant(&mut self, kind: Kind, place: Carrier, time_ms: i64, script: &mut Script) -> Option<String> {
        let Planted { value, sentence } = planted(kind, &mut self.random, time_ms)?;
        let speaker = match place {
            Carrier::User => Speaker::User,
            Carrier::ToolCall => Speaker::Call,
            Carrier::ToolResult => Speaker::Result,
            Carrier::Answer | Carrier::Stream => Speaker::Assistant,
        };
        let target = match speaker {
            Speaker::Assistant => Some(&mut script.output),
            _ => script.input.iter_mut().rev().find(|turn| turn.speaker == speaker),
        };
        let turn = target.expect("a call has a turn of the speaker that it was made for");
        turn.text = format!("{}{sentence}", turn.text).into();
        Some(value)
    }

    /// What is no event. Each line of a file stays one, so no payload holds a line's end.
    fn bad_event(&mut self, time_ms: i64) -> Generated {
        let note = short(&mut self.random);
        self.bad += 1;
        let (payload, reason) = match self.bad % 8 {
            1 => (format!("gateway: upstream closed early, {note}").into_bytes(), "not_json"),
            2 => (
                format!(r#"{{"weir_schema": 1, "input": {{"messages": [{{"content": "{note}"#).into_bytes(),
                "not_json",
            ),
            3 => ([b"{\"weir_schema\": 1, \"id\": \"", &[0xff, 0xfe, 0xc0][..], b"\"}"].concat(), "not_utf8"),
            4 => (format!(r#"{{"level": "info", "note": "{note}"}}"#).into_bytes(), "unknown_format"),
            5 => (br#"{"records": []}"#.to_vec(), "no_interaction"),
            6 => (format!("[{}]", ["{}"; 1_001].join(",")).into_bytes(), "too_many_interactions"),
            7 => (
                format!(r#"{{"weir_schema": 1, "input": {}{}}}"#, "[".repeat(90), "]".repeat(90)).into_bytes(),
                "too_deep",
            ),
            // A byte order mark and nothing behind it.
            _ => ("\u{feff}".as_bytes().to_vec(), "empty"),
        };
        let incident = self.incident(Kind::BadEvent, String::new(), time_ms, None);
        let truth = Some(Incident { expected_reject: Some(reason), ..incident });
        Generated { key: None, timestamp_ms: time_ms, due_ms: time_ms, payload, truth }
    }

    fn incident_of_value(
        &mut self,
        kind: Kind,
        carrier: Option<Carrier>,
        value: Option<String>,
        id: String,
        time_ms: i64,
        party: &Party,
    ) -> Incident {
        let hex = |value: &String| Sha256::digest(value.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let value_sha256 = value.as_ref().map(hex);
        Incident { carrier, value_sha256, value, ..self.incident(kind, id, time_ms, Some(party.caller)) }
    }

    fn incident(&mut self, kind: Kind, id: String, timestamp_ms: i64, caller: Option<usize>) -> Incident {
        let incident = self.incidents;
        self.incidents += 1;
        Incident {
            incident,
            kind,
            expected_rule: kind.expected_rule(),
            expected_reject: None,
            sequence: self.sequence,
            events: 1,
            id,
            timestamp_ms,
            principal: caller.map(|caller| self.cast.callers[caller].key()).unwrap_or_default(),
            carrier: None,
            value_sha256: None,
            value: None,
        }
    }
}

/// What the n-th burst is, and how many calls it has: of requests and of tokens in turn.
fn burst_kind(burst: u64) -> (Kind, u64) {
    match burst % 2 {
        0 => (Kind::RateBurst, BURST_CALLS),
        _ => (Kind::TokenBurst, TOKEN_BURST_CALLS),
    }
}

/// About four bytes of text are a token.
fn bytes_of(tokens: u32) -> usize {
    (tokens as usize * 4).min(SIZED_MAX_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Format, decode};
    use crate::model::{Event, Position};
    use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
    use std::num::NonZeroU32;

    const END_MS: i64 = 1_772_496_000_000;

    fn stream(options: &Options) -> Vec<Generated> {
        generate(options).unwrap().collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let digest = |seed| {
            let mut hasher = Sha256::new();
            let shapes = Shape::ALL.to_vec();
            for generated in stream(&Options { shapes, ..Options::new(seed, 3_000, END_MS) }) {
                hasher.update(generated.timestamp_ms.to_le_bytes());
                hasher.update(generated.key.unwrap_or_default());
                hasher.update(generated.payload);
                hasher.update(generated.truth.map(|truth| truth.to_json()).unwrap_or_default());
            }
            hasher.finalize()
        };
        assert_eq!(digest(1), digest(1));
        assert_ne!(digest(1), digest(2));
    }

    #[test]
    fn truth_is_complete_and_values_are_unique() {
        let options = Options { incidents_permille: 40, ..Options::new(7, 10_000, END_MS) };
        let events = stream(&options);
        assert_eq!(events.len(), 10_000);
        assert!(events.iter().all(|event| !event.payload.contains(&b'\n')));
        let mut kinds = BTreeMap::new();
        let mut carriers = BTreeSet::new();
        let mut values = HashSet::new();
        for (sequence, event) in events.iter().enumerate() {
            let Some(truth) = &event.truth else { continue };
            *kinds.entry(truth.kind).or_insert(0) += 1;
            assert_eq!((truth.sequence, truth.timestamp_ms), (sequence as u64, event.timestamp_ms));
            assert_eq!(truth.principal, event.key.clone().unwrap_or_default());
            let Some(value) = &truth.value else { continue };
            carriers.extend(truth.carrier);
            assert!(String::from_utf8_lossy(&event.payload).contains(&truth.id));
            assert!(values.insert(value.clone()));
            assert_eq!(truth.value_sha256.as_ref().map(String::len), Some(64));
        }
        assert_eq!(kinds.len(), Kind::ALL.len(), "{kinds:?}");
        assert!(kinds[&Kind::AwsKey] >= 5 && kinds[&Kind::RateBurst] == 2 && kinds[&Kind::BadEvent] >= 9);
        assert!(carriers.len() >= 4, "{carriers:?}");
        // A planted value stands in its own event only.
        let planted = events.iter().filter_map(|event| event.truth.as_ref()?.value.as_deref());
        for value in planted.take(3) {
            let holds = |event: &&Generated| String::from_utf8_lossy(&event.payload).contains(value);
            assert_eq!(events.iter().filter(holds).count(), 1);
        }
    }

    #[test]
    fn a_share_of_events_is_late() {
        let events = stream(&Options::new(7, 10_000, END_MS));
        assert!(events.is_sorted_by_key(|event| event.due_ms));
        assert!(events.iter().all(|event| (END_MS - 86_400_000..END_MS).contains(&event.timestamp_ms)));
        let late = events.iter().filter(|event| event.timestamp_ms < event.due_ms).count();
        assert!((60..140).contains(&late), "{late}");
        let events = stream(&Options { late_permille: 0, ..Options::new(7, 2_000, END_MS) });
        assert!(events.iter().all(|event| event.timestamp_ms == event.due_ms));
    }

    #[test]
    fn conversations_send_their_turns_again() {
        let bytes = |turns| {
            let options = Options { turns: NonZeroU32::new(turns), ..Options::new(7, 3_000, END_MS) };
            stream(&options).iter().map(|event| event.payload.len()).sum::<usize>() / 3_000
        };
        let (fresh, long) = (bytes(1), bytes(10));
        assert!((1_500..4_000).contains(&fresh) && long > 3 * fresh, "{fresh} {long}");
    }

    #[test]
    fn texts_and_sizes_from_outside_are_used() {
        let texts: Arc<[Arc<str>]> = Arc::new(["the only thing that is ever said".into()]);
        let options = Options { texts, incidents_permille: 0, bad_permille: 0, ..Options::new(7, 50, END_MS) };
        for event in stream(&options) {
            assert!(String::from_utf8_lossy(&event.payload).contains("the only thing that is ever said"));
        }
        let arrivals = (0..100).map(|number| Arrival { time_ms: END_MS + number * 700, tokens: Some([3_000, 100]) });
        let arrivals = Arrivals::Given(arrivals.collect::<Vec<_>>().into());
        let options = Options { arrivals, bad_permille: 0, late_permille: 0, ..Options::new(7, 5, END_MS) };
        let events = stream(&options);
        assert_eq!(events.len(), 100);
        for (number, event) in (0..).zip(&events) {
            assert_eq!(event.timestamp_ms, END_MS + number * 700);
            assert!((10_000..30_000).contains(&event.payload.len()), "{}", event.payload.len());
            assert!(String::from_utf8_lossy(&event.payload).contains("3000"));
        }
    }

    #[test]
    fn only_bursts_exceed_a_ceiling() {
        let events = stream(&Options { principals: 50, ..Options::new(9, 20_000, END_MS) });
        let bursting: HashSet<_> = events
            .iter()
            .filter_map(|event| event.truth.as_ref())
            .filter(|truth| truth.kind == Kind::RateBurst)
            .map(|truth| truth.principal.clone())
            .collect();
        let mut times: HashMap<&str, Vec<i64>> = HashMap::new();
        for event in &events {
            times.entry(event.key.as_deref().unwrap_or_default()).or_default().push(event.due_ms);
        }
        for (key, times) in times {
            let most = times.iter().map(|start| {
                let from = times.partition_point(|time| time < start);
                times[from..].partition_point(|time| *time < start + 60_000)
            });
            let most = most.max().unwrap();
            assert_eq!(most > 120, bursting.contains(key), "{key}: {most}");
        }
    }

    #[test]
    fn events_decode_as_the_truth_says() {
        for shape in Shape::READ {
            let options = Options { shapes: vec![*shape], ..Options::new(3, 4_000, END_MS) };
            for event in stream(&options) {
                let arena = bumpalo::Bump::new();
                let position = Position { topic: "t", partition: 0, offset: 0 };
                let record = Event {
                    position,
                    timestamp_ms: event.timestamp_ms,
                    payload: Some(&event.payload),
                    format_header: None,
                };
                let decoded = decode(&record, Format::Auto, &arena);
                let truth = event.truth.as_ref();
                match truth.and_then(|truth| truth.expected_reject) {
                    Some(reason) => assert_eq!(decoded.err().unwrap().reason.name(), reason),
                    None => {
                        let decoded = decoded.unwrap_or_else(|reject| panic!("{reject:?}"));
                        let interaction = &decoded.interactions[0];
                        assert_eq!(Some(interaction.principal.to_string()), event.key);
                        assert_eq!(interaction.time_ms, event.timestamp_ms);
                        assert_eq!(interaction.warnings.iter().count(), 0, "{shape}");
                        assert!(interaction.messages.len() > 2);
                        assert!(truth.is_none_or(|truth| truth.id == interaction.source_id), "{shape}");
                        let tokens = interaction.input_tokens;
                        let is_token_burst = truth.is_some_and(|truth| truth.kind == Kind::TokenBurst);
                        assert!(tokens.is_some_and(|tokens| !is_token_burst || tokens == TOKEN_BURST_TOKENS));
                    }
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let options = Options::new(1, 1_000_000, END_MS);
        let table = [
            (Options { principals: 0, ..options.clone() }, "no principals"),
            (Options { shapes: Vec::new(), ..options.clone() }, "no formats"),
            (Options { start_ms: END_MS - 60_000, ..options.clone() }, "shorter than 90 s"),
            (Options { bad_permille: 900, ..options.clone() }, "more than half"),
            (Options { principals: 10, ..options.clone() }, "more than 100 would look like bursts"),
        ];
        for (options, told) in table {
            let error = generate(&options).err().unwrap().to_string();
            assert!(error.contains(told), "{error}");
        }
        assert!(generate(&Options { principals: 10, ..options.clone() }.with_room()).is_ok());
        assert_eq!(stream(&Options { count: 0, ..options }).len(), 0);
    }
}

//! Labelled, seeded LLM traffic: ordinary calls of many principals over a span of time, with incidents planted
//! among them and a truth record for each.
//!
//! The same [`Options`] give the same bytes, on every machine: there is no clock, no randomness but the seed's, and
//! no I/O in here. Each planted value is unique, well-formed down to its check digits, and opens nothing. Ordinary
//! calls hold nothing that a rule should find, and no principal but those of planted bursts comes near a hundred
//! calls a minute.
//!
//! **Truth is secret material.** A truth record holds the planted value in clear, so that a test can search every
//! output of weir for it. Keep truth files away from logs, topics and repositories, as if the values were real.

mod cast;
mod phrases;
mod plant;
mod random;
mod rhythm;
mod wire;

use serde::Serialize;
use sha2::{Digest, Sha256};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;

use self::cast::{Application, Cast, Model, assign, speaks_openai};
use self::phrases::{answer, question, short, tool_result};
use self::random::Random;
use self::rhythm::{PEAK, Rhythm};
use self::wire::{Call, Turn};
use crate::model::closed_set;

/// Calls of one burst, and the time that they take: 480 a minute, where 120 are the usual ceiling. A leaky bucket
/// of 120 lets 210 of them pass.
const BURST_CALLS: u64 = 360;
const BURST_MS: i64 = 45_000;

/// Bursts take at most this share of all events, so that they stay the exception.
const BURST_SHARE: u64 = 10;

/// Open conversations, of which ordinary calls continue one or another.
const CONVERSATIONS: usize = 48;

/// Earlier turns that a call sends again: two questions with their answers.
const HISTORY_TURNS: usize = 4;

closed_set! {
    /// The formats of generated events.
    Mix { Mixed = 1 "mixed", Native = 2 "native", OpenAi = 3 "openai" }
}

closed_set! {
    /// What was planted.
    Kind {
        AwsKey = 1 "aws_key",
        GithubToken = 2 "github_token",
        PrivateKey = 3 "private_key",
        Jwt = 4 "jwt",
        CreditCard = 5 "credit_card",
        Ssn = 6 "ssn",
        Iban = 7 "iban",
        PromptInjection = 8 "prompt_injection",
        MarkdownExfiltration = 9 "markdown_exfiltration",
        RateBurst = 10 "rate_burst",
        BadEvent = 11 "bad_event",
    }
}

impl Kind {
    /// The rule that has to find it; a bad event is found by none.
    pub fn expected_rule(self) -> Option<&'static str> {
        match self {
            Kind::AwsKey => Some("secret.aws_access_key"),
            Kind::GithubToken => Some("secret.github_token"),
            Kind::PrivateKey => Some("secret.private_key"),
            Kind::Jwt => Some("secret.jwt"),
            Kind::CreditCard => Some("pii.credit_card"),
            Kind::Ssn => Some("pii.us_ssn"),
            Kind::Iban => Some("pii.iban"),
            Kind::PromptInjection => Some("injection.override"),
            Kind::MarkdownExfiltration => Some("exfiltration.markdown_url"),
            Kind::RateBurst => Some("policy.limit.requests_per_minute"),
            Kind::BadEvent => None,
        }
    }
}

/// The kinds that stand in the text of one call; they take turns.
const IN_TEXT: [Kind; 9] = [
    Kind::AwsKey,
    Kind::CreditCard,
    Kind::PromptInjection,
    Kind::GithubToken,
    Kind::Ssn,
    Kind::MarkdownExfiltration,
    Kind::PrivateKey,
    Kind::Iban,
    Kind::Jwt,
];

/// What to generate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Everything follows from it.
    pub seed: u64,
    /// Events in all, those of bursts and bad ones included.
    pub count: u64,
    /// How many principals there are; the n-th calls about 1/n as often as the first.
    pub principals: u32,
    /// The first instant of the stream, in ms since the epoch.
    pub start_ms: i64,
    /// The end of the stream, exclusive, in ms since the epoch.
    pub end_ms: i64,
    pub mix: Mix,
    /// Share of calls with an incident in their text, in thousandths. Bursts come on top: one for each nine of
    /// these, but never more than a tenth of all events, and none in streams below 1,500 events.
    pub incidents_permille: u32,
    /// Share of events that are none, in thousandths.
    pub bad_permille: u32,
}

impl Options {
    /// A day of traffic before `end_ms` with the usual shares.
    pub fn new(seed: u64, count: u64, end_ms: i64) -> Self {
        Options {
            seed,
            count,
            principals: 200,
            start_ms: end_ms - 24 * 60 * 60 * 1_000,
            end_ms,
            mix: Mix::Mixed,
            incidents_permille: 5,
            bad_permille: 1,
        }
    }

    /// Refuses what cannot be generated as promised.
    fn check(&self) -> Result<(), OptionsError> {
        if self.principals == 0 {
            return Err(OptionsError::NoPrincipals);
        }
        if self.end_ms.saturating_sub(self.start_ms) < 2 * BURST_MS {
            return Err(OptionsError::Span { seconds: 2 * BURST_MS / 1_000 });
        }
        if self.incidents_permille.saturating_add(self.bad_permille) > 500 {
            return Err(OptionsError::Shares);
        }
        let minutes = self.end_ms.saturating_sub(self.start_ms) as u128 / 60_000 + 1;
        let most = Cast::calls_per_minute(self.principals) / PEAK;
        let needed = u128::from(self.count) / minutes;
        if needed > u128::from(most) {
            return Err(OptionsError::Dense { most_per_minute: most });
        }
        Ok(())
    }

    fn bursts(&self) -> u64 {
        let incidents = self.count * u64::from(self.incidents_permille) / 1_000;
        if incidents == 0 || self.count < 1_500 {
            return 0;
        }
        let wanted = (incidents / IN_TEXT.len() as u64).max(1);
        let room = (self.count / BURST_SHARE / BURST_CALLS).max(1);
        // One a principal, so that each is a crossing of its own.
        wanted.min(room).min(u64::from(self.principals))
    }
}

/// Why a stream cannot be generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    #[error("there are no principals: ask for at least one")]
    NoPrincipals,
    #[error("the span is shorter than {seconds} s, too short for a burst: move its start or its end")]
    Span { seconds: i64 },
    #[error("incidents and bad events are more than half of all: lower one of the shares")]
    Shares,
    #[error(
        "more than {most_per_minute} events a minute on average would look like bursts: \
         ask for more principals, fewer events or a longer span"
    )]
    Dense { most_per_minute: u64 },
}

/// One event, and what was planted in it.
pub struct Generated {
    /// `kind:value` of the principal; none for a bad event.
    pub key: Option<String>,
    /// The event's time and the record's CreateTime, in ms since the epoch. Never falls.
    pub timestamp_ms: i64,
    pub payload: Vec<u8>,
    /// Of a burst it comes with the first call.
    pub truth: Option<Incident>,
}

/// What weir has to find. Secret material: see the head of this file.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Incident {
    /// Its number in the stream, from 0.
    pub incident: u64,
    #[serde(serialize_with = "by_name")]
    pub kind: Kind,
    /// The rule that has to find it; null for a bad event.
    pub expected_rule: Option<&'static str>,
    /// The reason of the dead letter that has to come; null for all but bad events.
    pub expected_reject: Option<&'static str>,
    /// Which event of the stream it is, from 0; of a burst the first.
    pub sequence: u64,
    /// How many events belong to it.
    pub events: u64,
    pub timestamp_ms: i64,
    /// `kind:value`; empty for a bad event.
    pub principal: String,
    /// SHA-256 of the planted value in hex; null when there is none.
    pub value_sha256: Option<String>,
    /// The planted value in clear; null for bursts and bad events.
    pub value: Option<String>,
}

/// Without the value.
impl fmt::Debug for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "incident {} ({}) at {} of {:?}", self.incident, self.kind, self.sequence, self.principal)
    }
}

impl Incident {
    /// One line of the truth file, without the line's end.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an incident is numbers and strings")
    }
}

fn by_name<S: serde::Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.name())
}

/// Starts a stream. It ends after `options.count` events.
pub fn generate(options: &Options) -> Result<Generator, OptionsError> {
    options.check()?;
    let bursts = options.bursts();
    let ordinary = options.count - bursts * BURST_CALLS;
    let mut random = Random::new(options.seed);
    // Bursts go to principals in a row from a random one on: each has one at most.
    let first_burst = random.below(u64::from(options.principals));
    let mut rhythm = Rhythm::new(ordinary, options.start_ms, options.end_ms);
    let next_ms = rhythm.next(&mut random);
    Ok(Generator {
        options: options.clone(),
        cast: Cast::new(options.principals),
        random,
        rhythm,
        next_ms,
        ordinary,
        bursts,
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
    })
}

/// A stream of events in the order of their times.
pub struct Generator {
    options: Options,
    cast: Cast,
    random: Random,
    rhythm: Rhythm,
    /// When the next ordinary call is due.
    next_ms: Option<i64>,
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
    /// Whose turn it is in [`IN_TEXT`].
    kind: usize,
}

/// A dialogue that goes on.
struct Conversation {
    name: String,
    caller: usize,
    application: &'static Application,
    model: &'static Model,
    history: Vec<Turn>,
    turns_left: u64,
}

/// What one call says.
struct Script {
    input: Vec<Turn>,
    output: String,
}

impl Iterator for Generator {
    type Item = Generated;

    fn next(&mut self) -> Option<Generated> {
        self.begin_burst();
        let burst_ms = self.burst_calls.peek().map(|Reverse((time_ms, ..))| *time_ms);
        let generated = match (burst_ms, self.next_ms) {
            (Some(burst_ms), next_ms) if next_ms.is_none_or(|next_ms| burst_ms <= next_ms) => self.burst_call()?,
            (_, Some(time_ms)) => {
                self.next_ms = self.rhythm.next(&mut self.random);
                self.placed += 1;
                self.ordinary_event(time_ms)
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
        let now = self.next_ms.unwrap_or(self.options.end_ms - 1);
        let step = BURST_MS.min(self.options.end_ms - 1 - now).max(0);
        for call in 0..BURST_CALLS {
            let time_ms = now + step * call as i64 / BURST_CALLS as i64;
            self.burst_calls.push(Reverse((time_ms, self.bursts_begun, call)));
        }
        self.bursts_begun += 1;
    }

    fn burst_call(&mut self) -> Option<Generated> {
        let Reverse((time_ms, burst, number)) = self.burst_calls.pop()?;
        let caller = ((self.first_burst + burst) % u64::from(self.options.principals)) as usize;
        let (application, model) = assign(caller, true, &mut Random::new(self.options.seed ^ burst));
        let script = Script {
            input: vec![Turn::System(application.topic.system.into()), Turn::User(short(&mut self.random))],
            output: "delivery".into(),
        };
        let name = format!("run-{:05}", self.options.seed % 1_000 + burst);
        let generated = self.event(time_ms, caller, application, model, name, script);
        let truth = (number == 0)
            .then(|| Incident { events: BURST_CALLS, ..self.incident(Kind::RateBurst, time_ms, Some(caller), None) });
        Some(Generated { truth, ..generated })
    }

    /// An ordinary call, one with something planted in it, or no event at all.
    fn ordinary_event(&mut self, time_ms: i64) -> Generated {
        self.incident_debt += self.options.incidents_permille;
        self.bad_debt += self.options.bad_permille;
        if self.incident_debt >= 1_000 {
            self.incident_debt -= 1_000;
            let kind = IN_TEXT[self.kind % IN_TEXT.len()];
            self.kind += 1;
            return self.conversation_call(time_ms, Some(kind));
        }
        if self.bad_debt >= 1_000 {
            self.bad_debt -= 1_000;
            return self.bad_event(time_ms);
        }
        self.conversation_call(time_ms, None)
    }

    fn conversation_call(&mut self, time_ms: i64, kind: Option<Kind>) -> Generated {
        let mut conversation = self.take_conversation(time_ms);
        self.cast.count_call(conversation.caller, time_ms);
        let topic = conversation.application.topic;
        let asked = question(topic, &mut self.random);
        let answered = answer(topic, &mut self.random);
        let mut input = vec![Turn::System(topic.system.into())];
        input.extend(conversation.history.iter().cloned());
        input.push(Turn::User(asked.clone()));
        if kind == Some(Kind::PromptInjection) || self.random.chance(20) {
            input.push(Turn::Call(short(&mut self.random)));
            input.push(Turn::Result(tool_result(topic, &mut self.random)));
        }
        let mut script = Script { input, output: answered.clone() };
        let truth = kind.map(|kind| {
            let value = self.plant(kind, time_ms, &mut script);
            self.incident(kind, time_ms, Some(conversation.caller), Some(value))
        });
        let Conversation { caller, application, model, .. } = conversation;
        let generated = self.event(time_ms, caller, application, model, conversation.name.clone(), script);
        conversation.turns_left -= 1;
        if conversation.turns_left > 0 {
            // What was planted is not sent again with the history: one incident is one event.
            conversation.history.extend([Turn::User(asked), Turn::Assistant(answered)]);
            let surplus = conversation.history.len().saturating_sub(HISTORY_TURNS);
            conversation.history.drain(..surplus);
            self.conversations.push(conversation);
        }
        Generated { truth, ..generated }
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
        let (application, model) = assign(caller, self.options.mix == Mix::OpenAi, &mut self.random);
        self.conversations_begun += 1;
        let name = format!("conv-{:07}", self.conversations_begun);
        let turns_left = self.random.between(1, 5);
        Conversation { name, caller, application, model, history: Vec::new(), turns_left }
    }

    fn event(
        &mut self,
        time_ms: i64,
        caller: usize,
        application: &'static Application,
        model: &'static Model,
        conversation: String,
        script: Script,
    ) -> Generated {
        let latency_ms = self.random.between(300, 9_000);
        let caller = &self.cast.callers[caller];
        let Script { input, output } = script;
        let call = Call {
            sequence: self.sequence,
            time_ms,
            conversation,
            caller,
            application,
            model,
            latency_ms,
            input,
            output,
        };
        let as_openai = match self.options.mix {
            Mix::Native => false,
            Mix::OpenAi => true,
            Mix::Mixed => speaks_openai(model),
        };
        let payload = if as_openai { call.openai() } else { call.native() };
        Generated { key: Some(caller.key()), timestamp_ms: time_ms, payload, truth: None }
    }

    /// Makes a value and puts it into the script.
    fn plant(&mut self, kind: Kind, time_ms: i64, script: &mut Script) -> String {
        let random = &mut self.random;
        let (value, sentence) = match kind {
            Kind::AwsKey => with(plant::aws_key(random), "\n\nThe upload uses aws_access_key_id = ", "\n"),
            Kind::GithubToken => with(plant::github_token(random), "\n\nClone it with ", " if you need the history."),
            Kind::PrivateKey => with(plant::private_key(random), "\n\nThis is the file it reads:\n", "\n"),
            Kind::Jwt => with(plant::jwt(random, time_ms / 1_000), "\n\nThe call that fails sends Bearer ", "\n"),
            Kind::CreditCard => with(plant::credit_card(random), " The customer paid with the credit card ", "."),
            Kind::Ssn => with(plant::ssn(random), " The form gives the social security number (SSN) as ", "."),
            Kind::Iban => with(plant::iban(random), " Please refund to the IBAN ", " as usual."),
            Kind::PromptInjection => with(plant::injection(random), " ", ""),
            Kind::MarkdownExfiltration => with(plant::exfiltration_url(random), "\n\n![status](", ")"),
            // These two have no text of their own.
            Kind::RateBurst | Kind::BadEvent => (String::new(), String::new()),
        };
        let target = match kind {
            Kind::MarkdownExfiltration => Some(&mut script.output),
            Kind::PromptInjection => script.input.iter_mut().rev().find_map(Turn::result_mut),
            _ => script.input.iter_mut().rev().find_map(Turn::user_mut),
        };
        target.expect("a call has a question, and one to be injected has a tool's result").push_str(&sentence);
        value
    }

    /// What is no event: prose, a torn one, or bytes that are no text.
    fn bad_event(&mut self, time_ms: i64) -> Generated {
        let (payload, reason) = match self.random.below(3) {
            0 => (format!("gateway: upstream closed early, {}", short(&mut self.random)).into_bytes(), "not_json"),
            1 => (
                format!(
                    r#"{{"weir_schema": 1, "input": {{"messages": [{{"role": "user", "content": "{}"#,
                    short(&mut self.random)
                )
                .into_bytes(),
                "not_json",
            ),
            _ => ([b"{\"weir_schema\": 1, \"id\": \"", &[0xff, 0xfe, 0xc0][..], b"\"}"].concat(), "not_utf8"),
        };
        let incident = self.incident(Kind::BadEvent, time_ms, None, None);
        let truth = Some(Incident { expected_reject: Some(reason), ..incident });
        Generated { key: None, timestamp_ms: time_ms, payload, truth }
    }

    fn incident(&mut self, kind: Kind, timestamp_ms: i64, caller: Option<usize>, value: Option<String>) -> Incident {
        let incident = self.incidents;
        self.incidents += 1;
        let digest =
            |value: &String| Sha256::digest(value.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        Incident {
            incident,
            kind,
            expected_rule: kind.expected_rule(),
            expected_reject: None,
            sequence: self.sequence,
            events: 1,
            timestamp_ms,
            principal: caller.map(|caller| self.cast.callers[caller].key()).unwrap_or_default(),
            value_sha256: value.as_ref().map(digest),
            value,
        }
    }
}

/// A value, and the value in its sentence.
fn with(value: String, before: &str, after: &str) -> (String, String) {
    let sentence = format!("{before}{value}{after}");
    (value, sentence)
}

impl Turn {
    fn user_mut(&mut self) -> Option<&mut String> {
        if let Turn::User(text) = self { Some(text) } else { None }
    }

    fn result_mut(&mut self) -> Option<&mut String> {
        if let Turn::Result(text) = self { Some(text) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Bounds, Format, decode};
    use crate::model::{Event, Position};
    use std::collections::{BTreeMap, HashMap, HashSet};

    const END_MS: i64 = 1_772_496_000_000;

    fn stream(options: &Options) -> Vec<Generated> {
        generate(options).unwrap().collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let digest = |seed| {
            let mut hasher = Sha256::new();
            for generated in stream(&Options::new(seed, 3_000, END_MS)) {
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
        let events = stream(&Options::new(7, 10_000, END_MS));
        assert_eq!(events.len(), 10_000);
        assert!(events.is_sorted_by_key(|event| event.timestamp_ms));
        assert!(events.iter().all(|event| (END_MS - 86_400_000..END_MS).contains(&event.timestamp_ms)));
        let mut kinds = BTreeMap::new();
        let mut values = HashSet::new();
        for (sequence, event) in events.iter().enumerate() {
            let Some(truth) = &event.truth else { continue };
            *kinds.entry(truth.kind).or_insert(0) += 1;
            assert_eq!((truth.sequence, truth.timestamp_ms), (sequence as u64, event.timestamp_ms));
            assert_eq!(truth.principal, event.key.clone().unwrap_or_default());
            let Some(value) = &truth.value else { continue };
            let payload = std::str::from_utf8(&event.payload).unwrap();
            let quoted = serde_json::to_string(value).unwrap();
            assert!(payload.contains(&quoted[1..quoted.len() - 1]), "{truth:?}");
            assert!(values.insert(value.clone()));
            assert_eq!(truth.value_sha256.as_ref().map(String::len), Some(64));
        }
        assert_eq!(kinds.len(), Kind::ALL.len(), "{kinds:?}");
        assert!(kinds[&Kind::AwsKey] >= 5 && kinds[&Kind::RateBurst] == 2 && kinds[&Kind::BadEvent] >= 9);
        // A planted value stands in its own event only.
        let planted = events.iter().filter_map(|event| event.truth.as_ref()?.value.as_deref());
        for value in planted.take(3) {
            let holds = |event: &&Generated| String::from_utf8_lossy(&event.payload).contains(value);
            assert_eq!(events.iter().filter(holds).count(), 1);
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
            times.entry(event.key.as_deref().unwrap_or_default()).or_default().push(event.timestamp_ms);
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
        for mix in Mix::ALL {
            let options = Options { mix: *mix, ..Options::new(3, 4_000, END_MS) };
            for event in stream(&options) {
                let arena = bumpalo::Bump::new();
                let position = Position { topic: "t", partition: 0, offset: 0 };
                let record = Event {
                    position,
                    timestamp_ms: event.timestamp_ms,
                    payload: Some(&event.payload),
                    format_header: None,
                };
                let decoded = decode(&record, Format::Auto, Bounds::default(), &arena);
                match event.truth.and_then(|truth| truth.expected_reject) {
                    Some(reason) => assert_eq!(decoded.err().unwrap().reason.name(), reason),
                    None => {
                        let decoded = decoded.unwrap_or_else(|reject| panic!("{reject:?}"));
                        let interaction = &decoded.interactions[0];
                        assert_eq!(Some(interaction.principal.to_string()), event.key);
                        assert_eq!(interaction.time_ms, event.timestamp_ms);
                        assert_eq!(interaction.warnings.iter().count(), 0);
                        assert!(interaction.messages.len() > 2);
                    }
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let options = Options::new(1, 1_000_000, END_MS);
        let table = [
            (Options { principals: 0, ..options.clone() }, OptionsError::NoPrincipals),
            (Options { start_ms: END_MS - 60_000, ..options.clone() }, OptionsError::Span { seconds: 90 }),
            (Options { bad_permille: 900, ..options.clone() }, OptionsError::Shares),
            (Options { principals: 10, ..options.clone() }, OptionsError::Dense { most_per_minute: 50 }),
        ];
        for (options, expected) in table {
            assert_eq!(generate(&options).err(), Some(expected));
        }
        assert_eq!(stream(&Options { count: 0, ..options }).len(), 0);
    }
}

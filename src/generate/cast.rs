//! Who calls what: principals of uneven diligence, applications, and the models they use.
//!
//! What they say, and when, stands beside this file.

use super::phrases::{ANALYSIS, CODE, DOCUMENTS, SUPPORT, Topic};
use super::random::Random;
use crate::model::PrincipalKind;

/// A model behind an address.
pub(super) struct Model {
    pub provider: &'static str,
    pub name: &'static str,
    pub host: &'static str,
}

/// The ones that speak Chat Completions come first: see [`OPENAI_MODELS`].
const MODELS: [Model; 7] = [
    Model { provider: "openai", name: "gpt-4.1", host: "api.openai.com" },
    Model { provider: "openai", name: "gpt-4.1-mini", host: "api.openai.com" },
    Model { provider: "azure.ai.openai", name: "gpt-4o", host: "harbour.openai.azure.com" },
    Model { provider: "mistral_ai", name: "mistral-small", host: "api.mistral.ai" },
    Model { provider: "anthropic", name: "claude-sonnet-4-5", host: "api.anthropic.com" },
    Model { provider: "aws.bedrock", name: "amazon.nova-pro", host: "bedrock-runtime.eu-west-1.amazonaws.com" },
    Model { provider: "gcp.vertex_ai", name: "gemini-2.5-flash", host: "europe-west4-aiplatform.googleapis.com" },
];

/// How many of [`MODELS`] speak Chat Completions.
const OPENAI_MODELS: usize = 4;

/// A calling service.
pub(super) struct Application {
    pub name: &'static str,
    pub topic: &'static Topic,
    /// The tool that it offers to its model.
    pub tool: &'static str,
}

const APPLICATIONS: [Application; 6] = [
    Application { name: "service-desk", topic: &SUPPORT, tool: "handbook_search" },
    Application { name: "code-review", topic: &CODE, tool: "read_file" },
    Application { name: "editor-plugin", topic: &CODE, tool: "run_tests" },
    Application { name: "reading-room", topic: &DOCUMENTS, tool: "fetch_document" },
    Application { name: "figures", topic: &ANALYSIS, tool: "query_warehouse" },
    Application { name: "mail-drafts", topic: &SUPPORT, tool: "find_thread" },
];

/// Someone or something that calls.
pub(super) struct Caller {
    pub kind: PrincipalKind,
    pub name: String,
    /// The minute of the last call, and the calls within it.
    minute: i64,
    calls: u32,
}

/// Ordinary calls of one principal within one minute of the clock. Twice as many may fall into some sixty seconds,
/// which stays far below any ceiling that is meant for the planted bursts.
const CALLS_PER_MINUTE: u32 = 20;

/// Everyone, with the weight of those before each of them.
pub(super) struct Cast {
    pub callers: Vec<Caller>,
    weights: Vec<u64>,
}

const GIVEN: [&str; 16] = [
    "alva", "bruno", "clara", "deniz", "edith", "farid", "greta", "hamza", "ines", "jonas", "katya", "leo", "mira",
    "noor", "oskar", "priya",
];
const FAMILY: [&str; 16] = [
    "arnaud",
    "bergman",
    "costa",
    "dvorak",
    "eriksen",
    "farkas",
    "gallo",
    "hansen",
    "ivanova",
    "jansen",
    "kowalski",
    "lindqvist",
    "moreau",
    "novak",
    "okafor",
    "petrov",
];
const JOBS: [&str; 6] = ["ticket-tagger", "nightly-digest", "release-notes", "ci-runner", "mail-sorter", "etl"];

impl Cast {
    /// As many principals as asked for. The n-th calls about 1/n as often as the first (Zipf).
    pub(super) fn new(count: u32) -> Self {
        let callers = (0..count.max(1)).map(Caller::new).collect();
        let mut total = 0;
        let weigh = |rank: u32| {
            total += 1_000_000 / (u64::from(rank) + 1);
            total
        };
        Cast { callers, weights: (0..count.max(1)).map(weigh).collect() }
    }

    /// Draws a principal that still has calls left in this minute.
    pub(super) fn draw(&mut self, time_ms: i64, random: &mut Random) -> usize {
        let total = *self.weights.last().expect("there is at least one principal");
        let drawn = random.below(total);
        let first = self.weights.partition_point(|weight| *weight <= drawn);
        let count = self.callers.len();
        let candidates = (0..count).map(|step| (first + step) % count);
        let free = candidates.into_iter().find(|index| self.callers[*index].is_free(time_ms));
        free.unwrap_or(first)
    }

    /// Whether a principal may be given one more call in this minute.
    pub(super) fn is_free(&self, index: usize, time_ms: i64) -> bool {
        self.callers[index].is_free(time_ms)
    }

    /// Counts a call.
    pub(super) fn count_call(&mut self, index: usize, time_ms: i64) {
        self.callers[index].count(time_ms);
    }

    /// Most ordinary calls that all of them together may make in a minute.
    pub(super) fn calls_per_minute(count: u32) -> u64 {
        u64::from(count.max(1)) * u64::from(CALLS_PER_MINUTE)
    }
}

impl Caller {
    /// Eight in ten are people; the others are keys and jobs.
    fn new(index: u32) -> Self {
        let at = index as usize;
        let (kind, name) = match index % 10 {
            4 => (PrincipalKind::Key, format!("team-{}-{index}", JOBS[at / 10 % JOBS.len()])),
            7 => (PrincipalKind::Workload, format!("{}-{index}", JOBS[at / 10 % JOBS.len()])),
            _ => {
                let (given, family) = (GIVEN[at % GIVEN.len()], FAMILY[at / GIVEN.len() % FAMILY.len()]);
                let again = at / (GIVEN.len() * FAMILY.len());
                let number = if again == 0 { String::new() } else { again.to_string() };
                (PrincipalKind::User, format!("{given}.{family}{number}"))
            }
        };
        Caller { kind, name, minute: i64::MIN, calls: 0 }
    }

    /// `kind:value`, the key of the Kafka record.
    pub(super) fn key(&self) -> String {
        format!("{}:{}", self.kind, self.name)
    }

    fn is_free(&self, time_ms: i64) -> bool {
        self.minute != time_ms.div_euclid(60_000) || self.calls < CALLS_PER_MINUTE
    }

    fn count(&mut self, time_ms: i64) {
        let minute = time_ms.div_euclid(60_000);
        self.calls = if self.minute == minute { self.calls + 1 } else { 1 };
        self.minute = minute;
    }
}

/// An application and a model for it. Each principal keeps to two applications.
pub(super) fn assign(caller: usize, only_openai: bool, random: &mut Random) -> (&'static Application, &'static Model) {
    let second = usize::from(random.chance(25)) * 3;
    let application = &APPLICATIONS[(caller + second) % APPLICATIONS.len()];
    let models = if only_openai { &MODELS[..OPENAI_MODELS] } else { &MODELS[..] };
    (application, random.pick(models))
}

/// Whether a model can be captured as Chat Completions.
pub(super) fn speaks_openai(model: &Model) -> bool {
    MODELS[..OPENAI_MODELS].iter().any(|known| known.name == model.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn principals_are_distinct_and_uneven() {
        let mut cast = Cast::new(1_000);
        let keys: HashSet<_> = cast.callers.iter().map(Caller::key).collect();
        assert_eq!(keys.len(), 1_000);
        let mut random = Random::new(3);
        let draws: Vec<_> = (0..10_000).map(|_| cast.draw(0, &mut random)).collect();
        let of = |index| draws.iter().filter(|drawn| **drawn == index).count();
        assert!(of(0) > 800 && of(99) < 100);
    }

    #[test]
    fn nobody_gets_more_than_a_share_of_a_minute() {
        let mut cast = Cast::new(10);
        let mut random = Random::new(3);
        for _ in 0..Cast::calls_per_minute(10) {
            let index = cast.draw(5, &mut random);
            assert!(cast.is_free(index, 5));
            cast.count_call(index, 5);
        }
    }
}

//! Who calls what: principals of uneven diligence with their habits and languages, applications, and models.
//!
//! What they say, and how the hours are weighed, stands beside this file.

use super::languages;
use super::phrases::{ANALYSIS, CODE, DOCUMENTS, SUPPORT, Topic};
use super::random::Random;
use super::rhythm::{Habit, Week};
use super::wire::Shape;
use crate::model::PrincipalKind;

/// A model behind an address.
pub(super) struct Model {
    pub provider: &'static str,
    pub name: &'static str,
    pub host: &'static str,
    speaks: Interface,
}

/// What a model's address speaks, and so how its calls can be captured on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Interface {
    /// Chat Completions and Responses.
    OpenAi,
    /// Chat Completions.
    Chat,
    /// Messages.
    Anthropic,
    /// Something of its own: such calls are told by an exporter.
    Own,
}

const MODELS: [Model; 10] = [
    Model { provider: "openai", name: "gpt-4.1", host: "api.openai.com", speaks: Interface::OpenAi },
    Model { provider: "anthropic", name: "claude-sonnet-4-5", host: "api.anthropic.com", speaks: Interface::Anthropic },
    Model { provider: "azure.ai.openai", name: "gpt-4o", host: "harbour.openai.azure.com", speaks: Interface::OpenAi },
    Model { provider: "mistral_ai", name: "mistral-small", host: "api.mistral.ai", speaks: Interface::Chat },
    Model {
        provider: "aws.bedrock",
        name: "amazon.nova-pro",
        host: "bedrock-runtime.eu-west-1.amazonaws.com",
        speaks: Interface::Own,
    },
    Model { provider: "openai", name: "gpt-4.1-mini", host: "api.openai.com", speaks: Interface::OpenAi },
    Model { provider: "anthropic", name: "claude-haiku-4-5", host: "api.anthropic.com", speaks: Interface::Anthropic },
    Model {
        provider: "gcp.vertex_ai",
        name: "gemini-2.5-flash",
        host: "europe-west4-aiplatform.googleapis.com",
        speaks: Interface::Own,
    },
    Model { provider: "deepseek", name: "deepseek-chat", host: "api.deepseek.com", speaks: Interface::Chat },
    Model { provider: "cohere", name: "command-r-plus", host: "api.cohere.com", speaks: Interface::Own },
];

/// A way in which a model's calls are captured.
#[derive(Clone, Copy)]
pub(super) struct Route {
    pub model: &'static Model,
    pub shape: Shape,
}

/// Every route that the wanted shapes allow, as often as it is taken. Empty when no model speaks any of them.
pub(super) fn routes(shapes: &[Shape]) -> Vec<Route> {
    let of_model = |model: &'static Model| {
        let fitting = shapes.iter().filter(|shape| model.can_be(**shape));
        fitting.flat_map(move |shape| vec![Route { model, shape: *shape }; shape.share()])
    };
    MODELS.iter().flat_map(of_model).collect()
}

impl Model {
    fn can_be(&self, shape: Shape) -> bool {
        match shape {
            Shape::Native => true,
            Shape::OpenAi | Shape::OpenAiStream => matches!(self.speaks, Interface::OpenAi | Interface::Chat),
            Shape::Responses => self.speaks == Interface::OpenAi,
            Shape::Anthropic | Shape::AnthropicStream => self.speaks == Interface::Anthropic,
        }
    }
}

/// A calling service.
pub(super) struct Application {
    pub name: &'static str,
    /// What it tells its model; whoever built it writes English.
    pub system: &'static str,
    topic: &'static Topic,
    /// The tool that it offers to its model.
    pub tool: &'static str,
}

const APPLICATIONS: [Application; 6] = [
    Application {
        name: "service-desk",
        system: "You help the service desk of a maker of heating pumps. Answer from the handbook and say when it is silent.",
        topic: &SUPPORT,
        tool: "handbook_search",
    },
    Application {
        name: "code-review",
        system: "You review code for a small platform group. Prefer the simplest change that is right.",
        topic: &CODE,
        tool: "read_file",
    },
    Application {
        name: "editor-plugin",
        system: "You complete and explain code in an editor. Answer with code first and keep the style of the file.",
        topic: &CODE,
        tool: "run_tests",
    },
    Application {
        name: "reading-room",
        system: "You sum up internal documents for people who have five minutes. Name the document that you rely on.",
        topic: &DOCUMENTS,
        tool: "fetch_document",
    },
    Application {
        name: "figures",
        system: "You explain figures to managers. Never guess a figure; describe the way to get it.",
        topic: &ANALYSIS,
        tool: "query_warehouse",
    },
    Application {
        name: "mail-drafts",
        system: "You draft mails for the people of a maker of heating pumps, in the language of the mail that came in.",
        topic: &SUPPORT,
        tool: "find_thread",
    },
];

/// Someone or something that calls.
pub(super) struct Caller {
    pub kind: PrincipalKind,
    pub name: String,
    habit: Habit,
    /// What is talked about when it is not the application's English.
    mother_tongue: Option<&'static Topic>,
    /// The minute of the last call, and the calls within it.
    minute: i64,
    calls: u32,
}

/// Ordinary calls of one principal within one minute of the clock. Twice as many may fall into some sixty seconds,
/// which stays far below any ceiling that is meant for the planted bursts.
const CALLS_PER_MINUTE: u32 = 20;

/// Everyone, by their habits.
pub(super) struct Cast {
    pub callers: Vec<Caller>,
    groups: Vec<Group>,
}

/// Those of one habit.
struct Group {
    habit: Habit,
    week: Week,
    members: Vec<usize>,
    /// The weight of each member and of those before it.
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
        let callers: Vec<Caller> = (0..count.max(1)).map(Caller::new).collect();
        let mut groups: Vec<Group> = Vec::new();
        for (rank, caller) in callers.iter().enumerate() {
            let weight = 1_000_000 / (rank as u64 + 1);
            match groups.iter_mut().find(|group| group.habit == caller.habit) {
                Some(group) => group.add(rank, weight),
                None => groups.push(Group::new(caller.habit, rank, weight)),
            }
        }
        for group in &mut groups {
            group.week.add(group.habit, group.mass());
        }
        Cast { callers, groups }
    }

    /// How much all of them together do in each hour of the week.
    pub(super) fn week(&self) -> Week {
        let mut week = Week::EMPTY;
        self.groups.iter().for_each(|group| week.add(group.habit, group.mass()));
        week
    }

    /// Draws a principal who is at work at that time and still has calls left in this minute.
    pub(super) fn draw(&self, time_ms: i64, random: &mut Random) -> usize {
        let total: u64 = self.groups.iter().map(|group| group.week.at(time_ms)).sum();
        let mut drawn = random.below(total.max(1));
        let group = self.groups.iter().find(|group| {
            let weight = group.week.at(time_ms);
            let is_it = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            is_it
        });
        let group = group.unwrap_or(&self.groups[0]);
        let drawn = random.below(group.mass());
        let first = group.weights.partition_point(|weight| *weight <= drawn);
        let (before, after) = group.members.split_at(first);
        let own = after.iter().chain(before).copied();
        let anybody = 0..self.callers.len();
        let free = own.chain(anybody).find(|index| self.is_free(*index, time_ms));
        free.unwrap_or(group.members[first])
    }

    /// Whether a principal may be given one more call in this minute.
    pub(super) fn is_free(&self, index: usize, time_ms: i64) -> bool {
        let caller = &self.callers[index];
        caller.minute != time_ms.div_euclid(60_000) || caller.calls < CALLS_PER_MINUTE
    }

    /// Counts a call.
    pub(super) fn count_call(&mut self, index: usize, time_ms: i64) {
        let caller = &mut self.callers[index];
        let minute = time_ms.div_euclid(60_000);
        caller.calls = if caller.minute == minute { caller.calls + 1 } else { 1 };
        caller.minute = minute;
    }

    /// Most ordinary calls that all of them together may make in a minute.
    pub(super) fn calls_per_minute(count: u32) -> u64 {
        u64::from(count.max(1)) * u64::from(CALLS_PER_MINUTE)
    }
}

impl Group {
    fn new(habit: Habit, member: usize, weight: u64) -> Self {
        Group { habit, week: Week::EMPTY, members: vec![member], weights: vec![weight] }
    }

    fn add(&mut self, member: usize, weight: u64) {
        self.members.push(member);
        self.weights.push(self.mass() + weight);
    }

    /// The weight of all its members.
    fn mass(&self) -> u64 {
        self.weights.last().copied().unwrap_or(0)
    }
}

impl Caller {
    /// Eight in ten are people, most of them in Europe; the others are keys of services and nightly jobs.
    fn new(index: u32) -> Self {
        let at = index as usize;
        let (kind, name, habit) = match index % 10 {
            4 => (PrincipalKind::Key, format!("team-{}-{index}", JOBS[at / 10 % JOBS.len()]), Habit::Steady),
            7 => (PrincipalKind::Workload, format!("{}-{index}", JOBS[at / 10 % JOBS.len()]), Habit::Night),
            place => {
                // The multiple of the place mixes the family names and repeats no pair of names.
                let (given, family) = (GIVEN[at % GIVEN.len()], FAMILY[(at / GIVEN.len() + at * 5) % FAMILY.len()]);
                let again = at / (GIVEN.len() * FAMILY.len());
                let number = if again == 0 { String::new() } else { again.to_string() };
                let ahead_hours = match place {
                    8 => -5,
                    9 => 9,
                    _ => 1,
                };
                (PrincipalKind::User, format!("{given}.{family}{number}"), Habit::Office { ahead_hours })
            }
        };
        let mother_tongue = match habit {
            Habit::Office { ahead_hours: 9 } => Some(&languages::JAPANESE),
            Habit::Office { .. } => languages::OF_PEOPLE[at / 2 % languages::OF_PEOPLE.len()],
            Habit::Night | Habit::Steady => None,
        };
        Caller { kind, name, habit, mother_tongue, minute: i64::MIN, calls: 0 }
    }

    /// `kind:value`, the key of the Kafka record.
    pub(super) fn key(&self) -> String {
        format!("{}:{}", self.kind, self.name)
    }

    /// What is talked about when this one uses an application. One in four times it is in English all the same.
    pub(super) fn topic(&self, application: &Application, random: &mut Random) -> &'static Topic {
        match self.mother_tongue {
            Some(topic) if random.chance(75) => topic,
            _ => application.topic,
        }
    }
}

/// An application for a principal, each of whom keeps to two.
pub(super) fn application(caller: usize, random: &mut Random) -> &'static Application {
    let second = usize::from(random.chance(25)) * 3;
    &APPLICATIONS[(caller + second) % APPLICATIONS.len()]
}

/// A route for a principal, each of whom keeps to three at most.
pub(super) fn route(caller: usize, routes: &[Route], random: &mut Random) -> Route {
    routes[(caller * 7 + random.below(3) as usize * 5) % routes.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    /// A Monday at midnight.
    const MONDAY_MS: i64 = 1_772_409_600_000;

    #[test]
    fn principals_are_distinct_uneven_and_keep_their_hours() {
        let cast = Cast::new(1_000);
        let keys: HashSet<_> = cast.callers.iter().map(Caller::key).collect();
        assert_eq!(keys.len(), 1_000);
        let mut random = Random::new(3);
        let mut shares = |hour: i64| {
            let mut shares: HashMap<PrincipalKind, usize> = HashMap::new();
            for _ in 0..10_000 {
                let index = cast.draw(MONDAY_MS + hour * 3_600_000, &mut random);
                *shares.entry(cast.callers[index].kind).or_default() += 1;
            }
            shares
        };
        let (night, day) = (shares(3), shares(14));
        assert!(night[&PrincipalKind::Workload] > 3_000 && !day.contains_key(&PrincipalKind::Workload));
        assert!(day[&PrincipalKind::User] > 8_000);
        let draws: Vec<_> = (0..10_000).map(|_| cast.draw(MONDAY_MS + 10 * 3_600_000, &mut random)).collect();
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

    #[test]
    fn every_shape_has_a_model() {
        for shape in Shape::ALL {
            assert!(!routes(&[*shape]).is_empty(), "{shape}");
        }
        assert!(routes(&[]).is_empty());
    }
}

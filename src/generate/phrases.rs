//! What people and models say: sentences of our own with slots, put together to texts of one to three KB. English
//! has four fields of work; other languages stand beside this file.
//!
//! Ordinary text must hold nothing that a rule would report, though it holds what a hasty rule would take for it:
//! see [`near_miss`]. A test scans it.

use super::random::Random;

/// A field of work, or a language: what is asked there and what is answered.
pub(super) struct Topic {
    pub questions: &'static [&'static str],
    pub details: &'static [&'static str],
    pub answers: &'static [&'static str],
    /// Code or data of the field; may be empty.
    pub snippets: &'static [&'static str],
    /// How a question ends.
    pub closers: &'static [&'static str],
    /// How the result of a tool begins.
    pub found: &'static str,
    pub words: &'static Words,
}

/// What fills the slots of a language's sentences.
pub(super) struct Words {
    pub teams: &'static [&'static str],
    pub things: &'static [&'static str],
    pub times: &'static [&'static str],
}

const ENGLISH: Words = Words { teams: &TEAMS, things: &THINGS, times: &TIMES };
const FOUND: &str = "Found in the archive:";

const PLACES: [&str; 8] = ["Aarhus", "Lyon", "Porto", "Tampere", "Graz", "Cork", "Gdansk", "Leeds"];
const TEAMS: [&str; 8] =
    ["logistics", "billing", "onboarding", "procurement", "field service", "returns", "payroll", "marketing"];
const THINGS: [&str; 8] = [
    "delivery note",
    "framework contract",
    "pump housing",
    "winter timetable",
    "stock forecast",
    "training plan",
    "warranty form",
    "supplier audit",
];
const TIMES: [&str; 8] = [
    "last Tuesday",
    "in early spring",
    "before the holidays",
    "since the migration",
    "at the end of the quarter",
    "during the night shift",
    "over the weekend",
    "within two working days",
];

const CLOSERS: [&str; 6] = [
    "Keep it short enough to be read on a phone.",
    "Say so if something important is missing.",
    "A table is fine where it helps.",
    "Please keep the tone friendly and plain.",
    "Point out what you are unsure about.",
    "Three options are enough.",
];

pub(super) static SUPPORT: Topic = Topic {
    closers: &CLOSERS,
    found: FOUND,
    words: &ENGLISH,
    questions: &[
        "A customer in {place} writes that the {thing} arrived without its second page; how should we answer?",
        "What do we usually offer when a {thing} is late {time}?",
        "The {team} team asks for a reply to a complaint about a noisy pump in {place}.",
        "Draft an answer to a customer who was promised a visit {time} and saw nobody.",
    ],
    details: &[
        "The unit was fitted {time} and ran without trouble until the filter was changed.",
        "Our colleague from {team} has already apologised on the phone, so a second apology should not sound copied.",
        "They attached two photos, which show a damp wall and a valve that looks half closed.",
        "The dealer in {place} says that spare parts are in stock, but nobody has confirmed it.",
        "This is the third letter on the matter, and the customer is still patient.",
        "The contract covers parts and travel, though not the hours of an outside plumber.",
    ],
    answers: &[
        "Thank you for your patience; a technician can be with you {time}.",
        "According to the handbook, the valve has to be opened fully before the pressure is read.",
        "The {thing} will be sent again today, and the {team} team keeps the case open until you have it.",
        "If the noise comes back after an hour, air is the likeliest cause, and bleeding the radiator helps.",
        "I would avoid promising a date, since the stock in {place} has not been confirmed.",
        "A voucher is customary here, but the handbook leaves its value to the {team} team.",
        "Please note that the warranty runs from the day of fitting, not from the day of purchase.",
    ],
    snippets: &[],
};

pub(super) static CODE: Topic = Topic {
    closers: &CLOSERS,
    found: FOUND,
    words: &ENGLISH,
    questions: &[
        "Why does this function return an empty list when the {thing} has only one row?",
        "Can you make this loop easier to read without changing what it does?",
        "The nightly job of the {team} team fails {time}; what would you look at first?",
        "Which test would have caught the bug that we shipped to {place} {time}?",
    ],
    details: &[
        "The error shows up only on the build machine, never on a laptop.",
        "We moved from threads to a single loop {time}, and the numbers have been stable until now.",
        "The reviewer from {team} would like fewer branches and a clearer name for the buffer.",
        "Memory grows slowly, by about a page for each batch, and falls back after a restart.",
        "The schema has not changed; only the order of two columns is different in {place}.",
    ],
    answers: &[
        "The range ends one too early, so that the last row is never visited.",
        "I would return early when the batch is empty, and drop the flag altogether.",
        "A property test over random batches would have found this within seconds.",
        "The lock is held across the call, which is why the {team} job waits {time}.",
        "Splitting the function in two makes the borrow shorter and the name honest.",
        "Before anything else, log how many rows were read and how many were written.",
        "The cache is keyed by path only, so that two regions share an entry by mistake.",
    ],
    snippets: &[
        "```rust\nfn widest(rows: &[Row]) -> Option<&Row> {\n    rows.iter().max_by_key(|row| row.cells.len())\n}\n```",
        "```python\ndef batches(rows, size):\n    for start in range(0, len(rows), size):\n        yield rows[start:start + size]\n```",
        "```sql\nSELECT region, count() AS orders\nFROM deliveries\nWHERE state = 'open'\nGROUP BY region\nORDER BY orders DESC\n```",
        "```go\nfor _, item := range queue {\n\tif item.Done {\n\t\tcontinue\n\t}\n\tprocess(item)\n}\n```",
    ],
};

pub(super) static DOCUMENTS: Topic = Topic {
    closers: &CLOSERS,
    found: FOUND,
    words: &ENGLISH,
    questions: &[
        "Sum up what changed in the {thing} {time}.",
        "Which parts of the {thing} concern the {team} team?",
        "Compare the two drafts for {place} and list where they disagree.",
        "What has to be decided about the {thing} before the next meeting?",
    ],
    details: &[
        "The first draft came from {team}, the second from the office in {place}.",
        "Chapter four is new; the rest was only put into a better order.",
        "There was a long discussion {time} about who signs and who is merely told.",
        "The annex lists suppliers by region and leaves out those that were dropped {time}.",
        "Some of the figures are estimates, and the authors say so in a footnote.",
    ],
    answers: &[
        "Both drafts keep the yearly review, but only the one from {place} names who leads it.",
        "The {thing} now asks for two signatures where one was enough before.",
        "For the {team} team nothing changes, apart from a form that has to be filled in {time}.",
        "Open is whether the depot in {place} closes for good or only for the winter.",
        "The footnote on page nine contradicts the table that it belongs to.",
        "I could not find a date for the handover; the document only says that it follows the audit.",
    ],
    snippets: &[
        "{\n  \"document\": \"framework contract\",\n  \"chapters\": 9,\n  \"open_points\": [\"signatures\", \"handover\"],\n  \"owner\": \"procurement\"\n}",
        "| chapter | state | owner |\n|---|---|---|\n| scope | agreed | billing |\n| review | open | procurement |",
    ],
};

pub(super) static ANALYSIS: Topic = Topic {
    closers: &CLOSERS,
    found: FOUND,
    words: &ENGLISH,
    questions: &[
        "Why did returns in {place} go up {time}, while sales stayed flat?",
        "How would you show the {thing} to people who see it for the first time?",
        "Which of these causes explains the backlog of the {team} team best?",
        "What would we have to measure to know whether the {thing} pays off?",
    ],
    details: &[
        "We have weekly counts for each depot, but the one in {place} reports a week late.",
        "The {team} team changed its categories {time}, so older rows do not compare well.",
        "A pilot with twelve customers ended {time} and looked promising.",
        "Rain explains part of it, though not the jump on a dry Monday.",
        "Only rows with a closed state are counted; open ones are left out on purpose.",
    ],
    answers: &[
        "The change of categories alone moves about a tenth of the rows, which is most of the effect.",
        "A plain line for each depot, with the pilot shaded, says more than a stacked chart here.",
        "I would compare {place} with a depot of the same size that did not take part.",
        "Before drawing a trend, shift the late reports back by a week.",
        "The backlog follows the staffing of the {team} team more closely than the number of orders.",
        "If the pilot is repeated {time}, choose the customers by lot rather than by goodwill.",
    ],
    snippets: &[
        "{\n  \"depot\": \"north\",\n  \"week\": 14,\n  \"returns\": 37,\n  \"reasons\": {\"damaged\": 12, \"late\": 9, \"other\": 16}\n}",
        "week,depot,returns\n12,north,31\n13,north,34\n14,north,37\n15,north,29",
    ],
};

/// A question with its circumstances: 400 to 1,200 bytes, or more to reach `least_bytes`.
pub(super) fn question(topic: &Topic, least_bytes: usize, random: &mut Random) -> String {
    let mut text = sentence(topic.questions, topic.words, random);
    let count = random.between(3, 8);
    push_sentences(&mut text, topic.details, topic.words, count, random);
    while text.len() < least_bytes {
        text.push_str("\n\n");
        push_sentences(&mut text, topic.details, topic.words, 8, random);
    }
    if !topic.snippets.is_empty() && random.chance(35) {
        text.push_str("\n\n");
        text.push_str(random.phrase(topic.snippets));
        text.push_str("\n\n");
    } else {
        text.push(' ');
    }
    if random.chance(20) {
        text.push_str(&near_miss(random));
        text.push(' ');
    }
    text.push_str(random.phrase(topic.closers));
    text
}

/// An answer: 500 to 1,500 bytes.
pub(super) fn answer(topic: &Topic, random: &mut Random) -> String {
    let mut text = sentence(topic.answers, topic.words, random);
    let count = random.between(3, 6);
    push_sentences(&mut text, topic.answers, topic.words, count, random);
    if !topic.snippets.is_empty() && random.chance(35) {
        text.push_str("\n\n");
        text.push_str(random.phrase(topic.snippets));
    }
    text.push_str("\n\n");
    text.push_str(&sentence(topic.answers, topic.words, random));
    let count = random.between(1, 4);
    push_sentences(&mut text, topic.answers, topic.words, count, random);
    text
}

/// An answer of about so many bytes, one sentence at least.
pub(super) fn answer_of(topic: &Topic, bytes: usize, random: &mut Random) -> String {
    let mut text = sentence(topic.answers, topic.words, random);
    while text.len() < bytes {
        push_sentences(&mut text, topic.answers, topic.words, 1, random);
    }
    text
}

/// What a search or a database gives back.
pub(super) fn tool_result(topic: &Topic, random: &mut Random) -> String {
    let mut text = String::from(topic.found);
    let count = random.between(2, 5);
    push_sentences(&mut text, topic.details, topic.words, count, random);
    text
}

/// A short request, as a script sends many of.
pub(super) fn short(random: &mut Random) -> String {
    let form = "Put this note into one of the classes delivery, defect, praise or other: {thing} from {place}, {time}.";
    fill(form, &ENGLISH, random)
}

/// What looks like a secret, personal data or an order and is none: ids, checksums, times, prices, keys and cards
/// that documentation shows, placeholders, harmless wording.
fn near_miss(random: &mut Random) -> String {
    const HEX: &[u8] = b"0123456789abcdef";
    let mut hex = |length: usize| random.string(HEX, length);
    let ids = [hex(8), hex(4), hex(4), hex(12), hex(40)];
    let number = random.between(200_000, 899_999);
    match random.below(16) {
        0 => format!("The trace id is {}-{}-4{}-a{}-{}.", ids[0], ids[1], &ids[2][1..], &ids[1][1..], ids[3]),
        1 => format!("It broke with commit {}.", ids[4]),
        2 => format!("The image is pinned to sha256:{}{}.", ids[4], &ids[4][..24]),
        3 => format!("It was shipped on 2026-03-{:02} at 09:41:07Z in version 3.{}.2.", number % 28 + 1, number % 40),
        4 => format!("The order is HB-{number}, line {}.", number % 90 + 10),
        5 => format!("The offer says {},249.50 EUR for 36 months.", number % 9 + 1),
        6 => format!("Build {number} took 1843 ms, the one before 1790 ms."),
        7 => format!("The pump has the serial number PX{number}-{}.", number % 900 + 100),
        8 => "The manual shows AKIAIOSFODNN7EXAMPLE as a key.".into(),
        9 => "In the tests we pay with 4111 1111 1111 1111, which is declined.".into(),
        10 => "Replies go to support@example.com.".into(),
        11 => "The file reads api_key: ${SERVICE_API_KEY} and nothing else.".into(),
        12 => "The template says postgres://user:password@localhost/db.".into(),
        13 => "The old chart is at https://charts.example.com/v1?type=bar&w=640&h=480.".into(),
        14 => "Please ignore the noise in the second column.".into(),
        _ => "Act as a patient colleague who explains it to a beginner.".into(),
    }
}

/// Takes the sentences of a table in turn from a random one on, so that none stands twice in a row.
fn push_sentences(text: &mut String, table: &[&'static str], words: &Words, count: u64, random: &mut Random) {
    let first = random.below(table.len() as u64);
    for step in 0..count {
        text.push(' ');
        fill_into(text, table[((first + step) % table.len() as u64) as usize], words, random);
    }
}

fn sentence(table: &[&'static str], words: &Words, random: &mut Random) -> String {
    let form = random.phrase(table);
    fill(form, words, random)
}

fn fill(form: &str, words: &Words, random: &mut Random) -> String {
    let mut text = String::with_capacity(form.len() + 32);
    fill_into(&mut text, form, words, random);
    text
}

/// Fills the slots of a form.
fn fill_into(text: &mut String, form: &str, words: &Words, random: &mut Random) {
    let mut rest = form;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((slot, tail)) = after.split_once('}') else { break };
        text.push_str(before);
        let words = match slot {
            "place" => &PLACES,
            "team" => words.teams,
            "thing" => words.things,
            _ => words.times,
        };
        text.push_str(random.phrase(words));
        rest = tail;
    }
    text.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::languages;

    #[test]
    fn every_slot_is_filled_and_no_language_is_short() {
        let mut random = Random::new(5);
        let topics = [&SUPPORT, &CODE, &DOCUMENTS, &ANALYSIS, &languages::JAPANESE];
        for topic in topics.into_iter().chain(languages::OF_PEOPLE.into_iter().flatten()) {
            for form in [topic.questions, topic.details, topic.answers].concat() {
                let text = fill(form, topic.words, &mut random);
                assert!(!text.contains(['{', '}']), "{text}");
            }
            let sizes: Vec<usize> =
                (0..200).map(|_| question(topic, 0, &mut random).len() + answer(topic, &mut random).len()).collect();
            assert!(sizes.iter().all(|size| (500..4_500).contains(size)), "{sizes:?}");
        }
    }

    #[test]
    fn a_question_reaches_the_size_that_is_asked_for() {
        let size = question(&CODE, 10_000, &mut Random::new(6)).len();
        assert!((10_000..12_000).contains(&size), "{size}");
        let size = answer_of(&CODE, 3_000, &mut Random::new(6)).len();
        assert!((3_000..3_200).contains(&size), "{size}");
    }
}

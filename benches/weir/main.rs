//! `make bench`: what weir costs, part by part and from Kafka to ClickHouse, beside what it could cost.
//!
//! `cargo bench` measures; `cargo test` runs the same on tiny inputs and looks only whether everything planted is
//! found. Words after `--` pick from `parts`, `hostile` and `stream`. Nothing here fails because of a time.

mod events;
mod goals;
mod harness;
mod hostile;
mod parts;
mod rules;
mod stream;

use events::Corpus;
use goals::Goals;
use harness::Effort;

/// The allocator of the program, since that is what is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const GROUPS: [&str; 3] = ["parts", "hostile", "stream"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let effort = if arguments.iter().any(|argument| argument == "--bench") { Effort::Full } else { Effort::Smoke };
    let picked: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    // A filter for the names of tests picks nothing here.
    let wanted = |group: &str| picked.is_empty() || picked.iter().any(|word| group.contains(word.as_str()));
    if !GROUPS.iter().any(|group| wanted(group)) || arguments.iter().any(|argument| argument == "--list") {
        return;
    }
    let (own, external) = (Corpus::own(), Corpus::external());
    let more = match &external {
        Some(corpus) => format!("{} B of WEIR_BENCH_CORPUS beside it", corpus.bytes),
        None => "none beside it: WEIR_BENCH_CORPUS names no folder of NDJSON".to_owned(),
    };
    let rules = weir::rules::Catalogue::built_in().rules().len();
    harness::conditions(&[
        ("rules", format!("{rules}, the default packs")),
        ("corpus", format!("{} B of benches/corpus; {more}", own.bytes)),
        ("events", format!("{} B of text, seeded; times are of CPU", events::TEXT_BYTES)),
    ]);
    let mut goals = Goals::default();
    if wanted("parts") {
        parts::run(&own, external.as_ref(), effort, &mut goals);
    }
    if wanted("hostile") {
        hostile::run(effort);
    }
    if wanted("stream") {
        stream::run(&own, effort, &mut goals);
    }
    goals.print();
}

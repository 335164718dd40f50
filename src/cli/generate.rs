//! `weir generate`: labelled, seeded traffic to Kafka or stdout.
//!
//! The traffic itself is made in the generate room, which knows neither clock nor Kafka. Here it gets its end in
//! time, its way out, and a truth file with the place at which each event landed.

use super::{Exit, Usage};
use crate::generate::{Generated, Incident, Options, generate};
use crate::kafka::feeder::{Feeder, Landed};
use anyhow::Context as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Arguments of `weir generate`.
#[derive(clap::Args)]
pub struct Args {
    /// The pipeline file: events go to its brokers. Without it they go to stdout, one a line
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The topic instead of the pipeline's first input topic
    #[arg(long, requires = "config")]
    topic: Option<String>,
    /// Equal seeds give equal traffic
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Events
    #[arg(long, default_value_t = 1_000)]
    count: u64,
    /// Principals that they come from
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    principals: u32,
    /// The share of events with a planted incident, from 0 to 0.4
    #[arg(long, value_name = "SHARE", default_value_t = 0.005, value_parser = share)]
    incidents: f64,
    /// The end of the stream, RFC 3339; now when it is left out. It begins a day before
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
    /// Where to write what was planted, a JSON object a line. It holds the planted values in clear
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
}

fn share(written: &str) -> Result<f64, String> {
    let share: Option<f64> = written.parse().ok();
    share.filter(|share| (0.0..=0.4).contains(share)).ok_or_else(|| "it is a number from 0 to 0.4".to_owned())
}

/// Generates. To Kafka, the last line of the output says how many events went where, as JSON.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let options = Options {
        principals: args.principals,
        incidents_permille: (args.incidents * 1_000.0).round() as u32,
        ..Options::new(args.seed, args.count, end_ms(args.end.as_deref())?)
    };
    let events = generate(&options).map_err(|error| Usage(error.to_string()))?;
    let mut out = BufWriter::new(io::stdout().lock());
    let (truth, topic, landed) = match &args.config {
        Some(path) => {
            let config = super::load(path)?.config;
            let topic = args.topic.clone().unwrap_or_else(|| config.input[0].name.clone());
            let feeder = Feeder::connect(&config.kafka, &topic).context("connecting to Kafka")?;
            let (truth, landed) = feed(feeder, events).with_context(|| format!("sending to topic {topic}"))?;
            (truth, topic, landed)
        }
        None => (print(events, &mut out)?, String::new(), Vec::new()),
    };
    if let Some(path) = &args.truth {
        write_truth(path, &truth, &topic, &landed).with_context(|| format!("writing {}", path.display()))?;
    }
    if args.config.is_some() {
        let told = serde_json::json!({"events": options.count, "incidents": truth.len(), "topic": topic});
        writeln!(out, "{told}")?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn end_ms(end: Option<&str>) -> anyhow::Result<i64> {
    match end {
        None => Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64),
        Some(end) => {
            let time: jiff::Timestamp = end
                .parse()
                .map_err(|_| Usage(format!("--end {end}: expected an RFC 3339 time, such as 2026-11-25T09:00:00Z")))?;
            Ok(time.as_millisecond())
        }
    }
}

fn print(events: impl Iterator<Item = Generated>, out: &mut impl Write) -> io::Result<Vec<Incident>> {
    let mut truth = Vec::new();
    for event in events {
        out.write_all(&event.payload)?;
        out.write_all(b"\n")?;
        truth.extend(event.truth);
    }
    Ok(truth)
}

fn feed(mut feeder: Feeder, events: impl Iterator<Item = Generated>) -> anyhow::Result<(Vec<Incident>, Vec<Landed>)> {
    let mut truth = Vec::new();
    for event in events {
        feeder.send(event.key.as_deref().map(str::as_bytes), event.timestamp_ms, &event.payload)?;
        truth.extend(event.truth);
    }
    Ok((truth, feeder.finish()?))
}

/// Truth records, each with the place of its first event when that is known.
fn write_truth(path: &Path, truth: &[Incident], topic: &str, landed: &[Landed]) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for incident in truth {
        let mut record = serde_json::to_value(incident)?;
        if let Some(place) = landed.get(incident.sequence as usize) {
            record["topic"] = topic.into();
            record["partition"] = place.partition.into();
            record["offset"] = place.offset.into();
        }
        writeln!(file, "{record}")?;
    }
    Ok(file.flush()?)
}

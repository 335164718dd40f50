//! `weir generate`: labelled, seeded traffic to Kafka or stdout.
//!
//! The traffic itself is made in the generate room, which knows neither clock nor Kafka. Here it gets its place in
//! time, its way out, and a truth file with the place at which each event landed.

mod inputs;

use super::{Exit, Usage};
use crate::config::Config;
use crate::generate::{Arrivals, Generated, Incident, Options, Shape, generate};
use crate::kafka::feeder::{Feeder, Landed};
use crate::pipeline::drain::Stop;
use anyhow::Context as _;
use std::fs::{File, Permissions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::NonZeroU32;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Labelled, seeded traffic.
///
/// Conversations of people, services and nightly jobs, in eight languages, over several providers and models, with
/// secrets, personal data, injections, exfiltration, bursts and broken events planted among them. The stream ends
/// now, and the Kafka timestamp of a record is its event's time. The same seed and end give the same bytes.
#[derive(clap::Args)]
#[command(after_long_help = TRUTH_HELP)]
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
    /// Events; 1,000 when left out, and of arrivals all that the file has
    #[arg(long)]
    count: Option<u64>,
    /// Principals that they come from; 200 when left out, or as many more as so many events need
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    principals: Option<u32>,
    /// The share of events with a planted incident, from 0 to 0.4
    #[arg(long, value_name = "SHARE", default_value_t = 0.005, value_parser = share)]
    incidents: f64,
    /// The share of events that come later than their time says, from 0 to 0.4; 0.01 when left out, and 0 in real
    /// time
    #[arg(long, value_name = "SHARE", value_parser = share)]
    late: Option<f64>,
    /// Calls of a conversation, each of which sends all earlier turns again; with 1 every call is fresh. 1 to 6 at
    /// random when left out
    #[arg(long, value_name = "N")]
    turns: Option<NonZeroU32>,
    /// Ways of capture, separated by commas: native, openai, openai_stream, responses, anthropic, anthropic_stream.
    /// All that weir reads when left out
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = Shape::named)]
    formats: Vec<Shape>,
    /// The end of the stream, RFC 3339; now when it is left out
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
    /// How long the stream is, such as 90m, 24h or 7d: over a week people rest at its end
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = inputs::duration_ms)]
    span: i64,
    /// What is said, as lines of {"text": "..."}; drawn at random, for people, models and tools
    #[arg(long, value_name = "FILE")]
    texts: Option<PathBuf>,
    /// When calls arrive, as CSV with a header: TIMESTAMP (RFC 3339, `2026-11-16 18:17:03.97` or seconds), and
    /// perhaps ContextTokens and GeneratedTokens, which set the sizes
    #[arg(long, value_name = "FILE", conflicts_with_all = ["span", "rate"])]
    arrivals: Option<PathBuf>,
    /// How fast arrivals pass: 1 is real time, from now on, 60 an hour in a minute; 0 or `max` as fast as possible,
    /// the last of them at the end
    #[arg(long, value_name = "X", default_value = "1", requires = "arrivals", value_parser = speed)]
    speed: f64,
    /// Events a second, sent in real time from now on, evenly, without bursts: to measure latency
    #[arg(long, value_name = "N", conflicts_with_all = ["span", "end"])]
    rate: Option<NonZeroU32>,
    /// Where to write what was planted, a JSON object a line. It holds the planted values in clear
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Says twice a second on stderr how far it is, a line each time; a terminal is told without
    #[arg(long)]
    progress: bool,
}

const TRUTH_HELP: &str = "\
The truth file has a line of JSON for each incident:

  incident         its number, from 0
  kind             what was planted: aws_key, credit_card, prompt_injection, rate_burst, bad_event, ...
  expected_rule    the rule that has to find it; null for a bad event
  expected_reject  the reason of the dead letter that has to come; null for all but bad events
  sequence         which event of the stream it is, from 0 (on stdout: the line); of a burst the first
  events           how many events belong to it: 1, of a burst more
  topic, partition, offset
                   where that event landed in Kafka; absent on stdout
  id               the id that the call carries
  timestamp_ms     the event's time
  principal        kind:value; empty for a bad event
  carrier          user, tool_call, tool_result, answer, or stream: cut over the chunks of a streamed answer
  value_sha256, value
                   the planted value, hashed and in clear: keep the file as if the values were real

A burst is found at the call that crosses the ceiling, so look for its rule and principal. With arrivals or a rate
nothing is planted that would change their times: no bursts.

  weir generate --seed 7 --end 2026-11-25T00:00:00Z --truth truth.ndjson | weir scan -c pipelines/weir.yaml -";

fn share(written: &str) -> Result<f64, String> {
    let share: Option<f64> = written.parse().ok();
    share.filter(|share| (0.0..=0.4).contains(share)).ok_or_else(|| "it is a number from 0 to 0.4".to_owned())
}

fn speed(written: &str) -> Result<f64, String> {
    let speed: Option<f64> = if written == "max" { Some(0.0) } else { written.parse().ok() };
    speed.filter(|speed| (0.0..=1e6).contains(speed)).ok_or_else(|| "it is a number up to 1,000,000, or max".to_owned())
}

/// Generates until all is sent or a signal comes; the truth of what was sent is written either way. To Kafka, the
/// last line of the output says how many events went where, as JSON.
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let now_ms = now_ms()?;
    let options = options(&args, now_ms)?;
    let events = generate(&options).map_err(|error| Usage(error.to_string()))?;
    let is_paced = is_paced(&args);
    let config = args.config.as_deref().map(super::load).transpose()?.map(|loaded| loaded.config);
    let total = match &options.arrivals {
        Arrivals::Given(arrivals) => arrivals.len() as u64,
        _ => options.count,
    };
    // First, so that nothing is sent of which it could not be said what it was.
    let truth = args.truth.as_deref().map(|path| Ok::<_, anyhow::Error>((path, truth_file(path)?))).transpose()?;
    let run = Run { stop: Stop::on_signals()?, is_paced, progress: Progress::new(&args, total) };
    match &config {
        Some(config) => to_kafka(run, events, config, truth, &args)?,
        None => to_stdout(run, events, truth)?,
    }
    Ok(Exit::Done)
}

/// What to generate, from the arguments and the files that they name.
fn options(args: &Args, now_ms: i64) -> anyhow::Result<Options> {
    let end_ms = args.end.as_deref().map(inputs::time_ms).transpose()?.unwrap_or(now_ms);
    let mut options = Options::new(args.seed, args.count.unwrap_or(1_000), end_ms);
    options.start_ms = end_ms - args.span;
    options.turns = args.turns;
    options.incidents_permille = permille(args.incidents);
    options.late_permille = permille(args.late.unwrap_or(if is_paced(args) { 0.0 } else { 0.01 }));
    if !args.formats.is_empty() {
        options.shapes = args.formats.clone();
    }
    if let Some(path) = &args.texts {
        options.texts = inputs::texts(path)?.into();
    }
    if let Some(per_second) = args.rate {
        options.arrivals = Arrivals::Steady { per_second };
        options.start_ms = now_ms;
    }
    if let Some(path) = &args.arrivals {
        let mut arrivals = inputs::arrivals(path)?;
        arrivals.truncate(args.count.map_or(usize::MAX, |count| count as usize));
        options.arrivals = Arrivals::Given(inputs::placed(arrivals, args.speed, now_ms, end_ms).into());
    }
    Ok(match args.principals {
        Some(principals) => Options { principals, ..options },
        None => options.with_room(),
    })
}

/// Whether events wait for their times.
fn is_paced(args: &Args) -> bool {
    args.rate.is_some() || args.arrivals.is_some() && args.speed > 0.0
}

fn permille(share: f64) -> u32 {
    (share * 1_000.0).round() as u32
}

fn now_ms() -> anyhow::Result<i64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64)
}

/// How events are let out.
struct Run {
    stop: Stop,
    /// Whether each waits for its time.
    is_paced: bool,
    progress: Progress,
}

impl Run {
    /// Hands each event to `send` when it is due, until they end or a signal comes.
    fn each(
        &mut self,
        events: impl Iterator<Item = Generated>,
        mut send: impl FnMut(&Generated) -> anyhow::Result<()>,
    ) -> anyhow::Result<Vec<Incident>> {
        let mut truth = Vec::new();
        for event in events {
            if self.is_paced {
                self.wait_until(event.due_ms)?;
            }
            if self.stop.is_set() {
                break;
            }
            send(&event)?;
            self.progress.count(event.payload.len());
            truth.extend(event.truth);
        }
        self.progress.end();
        Ok(truth)
    }

    fn wait_until(&mut self, due_ms: i64) -> anyhow::Result<()> {
        while !self.stop.is_set() {
            let left_ms = due_ms - now_ms()?;
            if left_ms <= 0 {
                break;
            }
            self.progress.tell();
            std::thread::sleep(Duration::from_millis(left_ms.min(100) as u64));
        }
        Ok(())
    }
}

fn to_stdout(
    mut run: Run,
    events: impl Iterator<Item = Generated>,
    truth_file: Option<(&Path, File)>,
) -> anyhow::Result<()> {
    let is_paced = run.is_paced;
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let truth = run.each(events, |event| {
        out.write_all(&event.payload)?;
        out.write_all(b"\n")?;
        if is_paced {
            out.flush()?;
        }
        Ok(())
    })?;
    out.flush()?;
    match truth_file {
        Some(file) => write_truth(file, &truth, "", &[]),
        None => Ok(()),
    }
}

fn to_kafka(
    mut run: Run,
    events: impl Iterator<Item = Generated>,
    config: &Config,
    truth_file: Option<(&Path, File)>,
    args: &Args,
) -> anyhow::Result<()> {
    let topic = args.topic.clone().unwrap_or_else(|| config.input[0].name.clone());
    let mut feeder = Feeder::connect(&config.kafka, &topic).context("connecting to Kafka")?;
    let sending = || format!("sending to topic {topic}");
    let truth = run.each(events, |event| {
        let key = event.key.as_deref().map(str::as_bytes);
        feeder.send(key, event.timestamp_ms, &event.payload).with_context(sending)
    })?;
    let landed = feeder.finish().with_context(sending)?;
    if let Some(file) = truth_file {
        write_truth(file, &truth, &topic, &landed)?;
    }
    let told = serde_json::json!({
        "events": run.progress.events,
        "bytes": run.progress.bytes,
        "incidents": truth.len(),
        "topic": topic,
    });
    writeln!(io::stdout(), "{told}")?;
    Ok(())
}

/// Opens the file of truth, for its owner alone: it holds the planted values in clear.
fn truth_file(path: &Path) -> anyhow::Result<File> {
    let open = || -> io::Result<File> {
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        // One that was there already keeps its mode otherwise; what is no file (/dev/stdout) is left alone.
        if file.metadata()?.is_file() {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        Ok(file)
    };
    open().with_context(|| format!("writing {}", path.display()))
}

/// Truth records, each with the place of its first event when that is known.
fn write_truth((path, file): (&Path, File), truth: &[Incident], topic: &str, landed: &[Landed]) -> anyhow::Result<()> {
    let write = || -> anyhow::Result<()> {
        let mut file = BufWriter::new(file);
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
    };
    write().with_context(|| format!("writing {}", path.display()))
}

/// How far it is, told on stderr.
struct Progress {
    how: How,
    total: u64,
    events: u64,
    bytes: u64,
    begun: Instant,
    told: Instant,
}

#[derive(PartialEq, Eq)]
enum How {
    Silent,
    /// One line that is written over.
    Terminal,
    Lines,
}

impl Progress {
    /// A terminal that shows the events themselves is left to them.
    fn new(args: &Args, total: u64) -> Self {
        let how = match io::stderr().is_terminal() && (args.config.is_some() || !io::stdout().is_terminal()) {
            _ if args.progress => How::Lines,
            true => How::Terminal,
            false => How::Silent,
        };
        Progress { how, total, events: 0, bytes: 0, begun: Instant::now(), told: Instant::now() }
    }

    fn count(&mut self, bytes: usize) {
        self.events += 1;
        self.bytes += bytes as u64;
        if self.events.is_multiple_of(512) {
            self.tell();
        }
    }

    fn tell(&mut self) {
        if self.told.elapsed() >= Duration::from_millis(500) {
            self.told = Instant::now();
            self.show();
        }
    }

    fn end(&mut self) {
        self.show();
        if self.how == How::Terminal {
            say!();
        }
    }

    fn show(&self) {
        let seconds = self.begun.elapsed().as_secs_f64().max(0.001);
        let rates = [self.events as f64 / seconds, self.bytes as f64 / seconds / 1e6];
        let line = format!("{} of {} events, {:.0} a second, {:.1} MB/s", self.events, self.total, rates[0], rates[1]);
        match self.how {
            How::Silent => {}
            How::Terminal => {
                let _ = write!(std::io::stderr(), "\r{line}\x1b[K");
            }
            How::Lines => say!("{line}"),
        }
    }
}

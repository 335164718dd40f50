//! What `weir generate` reads: texts, measured arrivals, times and durations. Whole files are read at once; what is
//! wrong in one is an error that names the line.

use super::super::{Usage, lines};
use crate::generate::Arrival;
use serde::Deserialize;
use std::path::Path;
use std::sync::Arc;

/// Largest file, in bytes: what is said, or measured, over weeks. All of it is held.
const FILE_MAX_BYTES: usize = 1 << 30;

/// `90s`, `15m`, `24h` or `7d` in ms.
pub(super) fn duration_ms(written: &str) -> Result<i64, String> {
    let units = [("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let unit = units.iter().find_map(|(unit, ms)| Some((written.strip_suffix(unit)?, ms)));
    let ms = unit.and_then(|(count, ms)| Some(i64::from(count.parse::<u32>().ok()?) * ms));
    ms.ok_or_else(|| "expected a number and s, m, h or d, such as 24h".to_owned())
}

/// An RFC 3339 time in ms since the epoch.
pub(super) fn time_ms(written: &str) -> anyhow::Result<i64> {
    let time: jiff::Timestamp = written
        .parse()
        .map_err(|_| Usage(format!("--end {written}: expected an RFC 3339 time, such as 2026-11-25T09:00:00Z")))?;
    Ok(time.as_millisecond())
}

#[derive(Deserialize)]
struct Line {
    text: String,
}

/// Texts, one of `{"text": "..."}` a line. Other keys are passed over.
pub(super) fn texts(path: &Path) -> anyhow::Result<Vec<Arc<str>>> {
    let read = lines::text_of(path, FILE_MAX_BYTES)?;
    let mut texts = Vec::new();
    for (number, line) in (1..).zip(read.split('\n')).filter(|(_, line)| !line.trim().is_empty()) {
        let line: Line = serde_json::from_str(line).map_err(|_| {
            // The parser's own words would quote the text.
            Usage(format!("{}, line {number}: expected an object with a `text`", path.display()))
        })?;
        texts.push(line.text.into());
    }
    if texts.is_empty() {
        return Err(Usage(format!("{} holds no texts", path.display())).into());
    }
    Ok(texts)
}

/// Arrivals in the order of their times.
pub(super) fn arrivals(path: &Path) -> anyhow::Result<Vec<Arrival>> {
    let read = lines::text_of(path, FILE_MAX_BYTES)?;
    parse_arrivals(&read).map_err(|error| Usage(format!("{}, {error}", path.display())).into())
}

fn parse_arrivals(text: &str) -> Result<Vec<Arrival>, String> {
    let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let header: Vec<String> =
        lines.next().map_or(String::new(), |(_, line)| line.to_lowercase()).split(',').map(clean).collect();
    let column = |names: [&str; 2]| header.iter().position(|name| names.contains(&name.as_str()));
    let at = column(["timestamp", "time"]).ok_or("line 1: expected a header with a column TIMESTAMP")?;
    let tokens = column(["contexttokens", "input_tokens"]).zip(column(["generatedtokens", "output_tokens"]));
    let mut arrivals = Vec::new();
    for (number, line) in lines {
        let cells: Vec<String> = line.split(',').map(clean).collect();
        let cell = |index: usize| cells.get(index).map(String::as_str).unwrap_or_default();
        let time_ms = moment_ms(cell(at)).ok_or_else(|| {
            format!("line {number}: `{}` is no time: expected 2026-11-16 18:17:03.97 or seconds", cell(at))
        })?;
        let count = |index: usize| {
            cell(index).parse::<u32>().map_err(|_| format!("line {number}: `{}` is no number of tokens", cell(index)))
        };
        let tokens = tokens.map(|(input, output)| Ok::<_, String>([count(input)?, count(output)?])).transpose()?;
        arrivals.push(Arrival { time_ms, tokens });
    }
    if arrivals.is_empty() {
        return Err("line 2: expected an arrival".into());
    }
    arrivals.sort_by_key(|arrival| arrival.time_ms);
    Ok(arrivals)
}

fn clean(cell: &str) -> String {
    cell.trim().trim_matches('"').trim_start_matches('\u{feff}').to_owned()
}

/// A time with a zone, one without (of UTC), or seconds since anything.
fn moment_ms(cell: &str) -> Option<i64> {
    if let Ok(seconds) = cell.parse::<f64>() {
        return seconds.is_finite().then_some((seconds * 1_000.0) as i64);
    }
    if let Ok(time) = cell.parse::<jiff::Timestamp>() {
        return Some(time.as_millisecond());
    }
    let local: jiff::civil::DateTime = cell.parse().ok()?;
    Some(local.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

/// Moves arrivals to where they shall be: from now on and faster by `speed`, or all before `end_ms` when that is 0.
pub(super) fn placed(mut arrivals: Vec<Arrival>, speed: f64, now_ms: i64, end_ms: i64) -> Vec<Arrival> {
    let first = arrivals.first().map_or(0, |arrival| arrival.time_ms);
    let last = arrivals.last().map_or(0, |arrival| arrival.time_ms);
    for arrival in &mut arrivals {
        arrival.time_ms = match speed > 0.0 {
            true => now_ms + ((arrival.time_ms - first) as f64 / speed) as i64,
            false => end_ms - 1 - (last - arrival.time_ms),
        };
    }
    arrivals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration_ms("90m"), Ok(5_400_000));
        assert_eq!(duration_ms("7d"), Ok(604_800_000));
        for wrong in ["", "7", "d", "-1h", "1.5h", "7 days"] {
            assert!(duration_ms(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn arrivals_are_read_in_several_spellings() {
        let trace = "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:17:04.0319600,3180,8\r\n\
                     2023-11-16 18:17:03.9799600,4808,10\r\n";
        let read = parse_arrivals(trace).unwrap();
        assert_eq!(read[1].time_ms - read[0].time_ms, 52);
        assert_eq!(read.iter().map(|arrival| arrival.tokens).collect::<Vec<_>>(), [Some([4808, 10]), Some([3180, 8])]);
        let seconds = parse_arrivals("time\n1.5\n0.25\n").unwrap();
        assert_eq!(seconds.iter().map(|arrival| arrival.time_ms).collect::<Vec<_>>(), [250, 1_500]);
        let zoned = parse_arrivals("\"TimeStamp\"\n\"2026-01-01T00:00:01+01:00\"\n").unwrap();
        assert_eq!(zoned[0].time_ms, 1_767_222_001_000);
    }

    #[test]
    fn what_is_no_arrival_is_named_by_its_line() {
        let table = [
            ("", "line 1"),
            ("when\n1\n", "TIMESTAMP"),
            ("TIMESTAMP\n", "line 2"),
            ("TIMESTAMP\n1\n\nsoon\n", "line 4: `soon`"),
            ("TIMESTAMP,ContextTokens,GeneratedTokens\n1,2\n", "line 2"),
        ];
        for (text, told) in table {
            let error = parse_arrivals(text).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn arrivals_end_at_the_end_or_begin_now() {
        let arrivals = vec![Arrival { time_ms: 1_000, tokens: None }, Arrival { time_ms: 7_000, tokens: None }];
        let times = |arrivals: Vec<Arrival>| arrivals.iter().map(|arrival| arrival.time_ms).collect::<Vec<_>>();
        assert_eq!(times(placed(arrivals.clone(), 0.0, 0, 100_000)), [93_999, 99_999]);
        assert_eq!(times(placed(arrivals, 2.0, 50_000, 0)), [50_000, 53_000]);
    }
}

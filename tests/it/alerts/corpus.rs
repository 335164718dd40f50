//! Alerts of every kind, made from events by weir's own rooms: one for each rule of the built-in packs and each
//! ceiling, and the worst that names, counts and runs can do to them. No server is needed.

use bumpalo::Bump;
use serde_json::{Value, json};
use std::num::NonZeroU32;
use weir::alert::{self, throttle};
use weir::decode::{Bounds, Format, decode};
use weir::detect::{Scanner, Scratch};
use weir::judge::judge;
use weir::model::evidence::MaskKey;
use weir::model::facts::Facts;
use weir::model::{Direction, Event, Position, Principal, PrincipalKind, Severity};
use weir::policy::{Limits, Policy};
use weir::rules::Catalogue;
use weir::score::{State, score};

pub const T0: i64 = 1_766_000_070_079;
const MINUTE_MS: i64 = 60_000;

/// An alert as it stands in the topic.
pub struct Told {
    /// Which case it is.
    pub name: String,
    pub headers: Vec<(&'static str, String)>,
    pub value: Value,
    /// The content that it was found in.
    pub text: String,
}

/// Who and where to.
#[derive(Clone, Copy)]
struct Names<'a> {
    principal: Principal<'a>,
    application: &'a str,
    provider: &'a str,
    model: &'a str,
    host: &'a str,
}

const USUAL: Names<'static> = Names {
    principal: Principal { kind: PrincipalKind::User, value: "jane.roe@acme.example" },
    application: "claims-assistant",
    provider: "openai",
    model: "gpt-5-mini",
    host: "api.openai.com",
};

/// Everything that tells.
pub struct Teller {
    pub catalogue: &'static Catalogue,
    scanner: Scanner,
    config: alert::Config,
    policy: Policy,
}

/// A principal whose calls are told: what weir keeps between them.
struct Line<'t> {
    teller: &'t Teller,
    state: State,
    offset: i64,
}

impl Teller {
    pub fn new() -> Self {
        let catalogue = Catalogue::built_in();
        let limits = Limits { requests_per_minute: NonZeroU32::new(3), tokens_per_minute: NonZeroU32::new(1_000) };
        Teller {
            scanner: Scanner::new(catalogue),
            catalogue,
            config: alert::Config {
                min_severity: Severity::Informational,
                burst: 1,
                every_ms: 60 * MINUTE_MS as u64,
                runbook_url: "https://wiki.example.org/weir/{rule}".into(),
                source: "weir/corpus".into(),
                database: "weir_corpus".into(),
            },
            policy: Policy { limits, ..Policy::default() },
        }
    }

    fn line(&self) -> Line<'_> {
        Line { teller: self, state: State::default(), offset: 912 }
    }

    /// The first example of a rule that is reported, and its alert.
    fn of_rule(&self, id: &str, direction: Direction, names: Names<'_>) -> Told {
        let rule = self.catalogue.get(id).expect("the rule is there");
        let told = rule.examples.iter().find_map(|example| {
            let told = self.line().call(id, example, direction, names, T0, 0);
            told.into_iter().find(|told| told.value["finding_info"]["analytic"]["uid"] == id)
        });
        told.unwrap_or_else(|| panic!("no example of {id} is reported"))
    }

    /// One alert for each rule, in a direction that it looks at.
    pub fn of_every_rule(&self) -> Vec<Told> {
        let rules = self.catalogue.rules().iter();
        rules
            .map(|rule| {
                let direction =
                    if rule.directions == [Direction::Output] { Direction::Output } else { Direction::Input };
                self.of_rule(&rule.info.id, direction, USUAL)
            })
            .collect()
    }

    /// An example in which nothing else is found.
    fn example_of(&self, id: &str) -> &str {
        let examples = &self.catalogue.get(id).expect("the rule is there").examples;
        let alone = |text: &&String| self.line().call("", text, Direction::Input, USUAL, T0, 0).len() == 1;
        examples.iter().find(alone).unwrap_or_else(|| panic!("every example of {id} holds something else"))
    }

    /// The ceilings: requests by calls, tokens by one large one.
    fn ceilings(&self, name: &str, names: Names<'_>) -> Vec<Told> {
        let mut line = self.line();
        let mut told = Vec::new();
        for second in 0..4 {
            told.extend(line.call(
                &format!("{name}requests"),
                "Hello.",
                Direction::Input,
                names,
                T0 + second * 1_000,
                0,
            ));
        }
        told.extend(line.call(&format!("{name}tokens"), "Hello.", Direction::Input, names, T0 + 5_000, 1_001));
        assert_eq!(told.len(), 2, "each ceiling once");
        told
    }

    /// Troubles that go on, and what is held back meanwhile.
    fn runs(&self) -> Vec<Told> {
        let (token, order) = (self.example_of("secret.github_token"), self.example_of("injection.override"));
        // As many as a principal's state has throttles for.
        let many: Vec<String> = self.catalogue.rules().iter().take(9).map(|rule| rule.examples[0].clone()).collect();
        let mut line = self.line();
        let mut told = Vec::new();
        for step in 0..6 {
            let text = if step % 2 == 0 { token } else { order };
            told.extend(line.call("run", text, Direction::Input, USUAL, T0 + step * 20 * MINUTE_MS, 0));
        }
        // Many rules at once, in a burst above the ceiling, and an hour later one alert that tells of all of it.
        let mut line = self.line();
        for second in 0..9 {
            line.call("", &many.join("\n"), Direction::Input, USUAL, T0 + second * 1_000, 2_000);
        }
        let after = T0 + 90 * MINUTE_MS;
        told.extend(line.call("after a burst", token, Direction::Input, USUAL, after, 0).into_iter().take(1));
        told
    }

    /// Everything, with names for the cases.
    pub fn every_kind(&self) -> Vec<Told> {
        let mut all = self.of_every_rule();
        all.push(self.of_rule("secret.github_token", Direction::Output, USUAL));
        all.push(self.of_rule("pii.us_ssn", Direction::Output, USUAL));
        all.extend(self.ceilings("", USUAL));
        all.extend(self.runs());
        let long = ["ä".repeat(126) + "…", "k".repeat(256), "👩\u{200d}💻".repeat(23), "&".repeat(256)];
        let odd =
            "O'Neil \"x\"\\\r\nALL CLEAR <!channel> <https://evil.example|ok> &amp; *b* `c` \u{202e}nimda\u{2028}🔥";
        let hostile = |kind| Names {
            principal: Principal { kind, value: odd },
            application: odd,
            provider: odd,
            model: odd,
            host: odd,
        };
        let nothing = Names {
            principal: Principal { kind: PrincipalKind::Unknown, value: "" },
            application: "",
            provider: "",
            model: "",
            host: "",
        };
        let mut cases = vec![("nothing known", nothing)];
        cases.extend(PrincipalKind::ALL.iter().map(|&kind| ("hostile", hostile(kind))));
        for name in &long {
            let principal = Principal { kind: PrincipalKind::Workload, value: name };
            cases.push(("long", Names { principal, application: name, provider: name, model: name, host: name }));
        }
        for (case, names) in cases {
            for (rule, direction) in [
                ("secret.github_token", Direction::Input),
                ("injection.override", Direction::Input),
                ("exfiltration.markdown_url", Direction::Output),
            ] {
                let told = self.of_rule(rule, direction, names);
                all.push(Told { name: format!("{case}: {rule}"), ..told });
            }
            all.extend(self.ceilings(&format!("{case}: "), names));
        }
        all
    }
}

impl Line<'_> {
    /// One call, and the alerts that it gives.
    fn call(
        &mut self,
        name: &str,
        text: &str,
        direction: Direction,
        names: Names<'_>,
        time_ms: i64,
        tokens: u64,
    ) -> Vec<Told> {
        let (side, role) = if direction == Direction::Input { ("input", "user") } else { ("output", "assistant") };
        let payload = json!({
            "weir_schema": 1, "id": "chatcmpl-5", "conversation": "conv-81", "usage": { "input_tokens": tokens },
            "destination": { "host": "h", "port": 443, "scheme": "https" },
            side: { "messages": [{ "role": role, "content": text }] },
        });
        let payload = payload.to_string();
        let position = Position { topic: "llm.events", partition: 3, offset: self.offset };
        self.offset += 1;
        let event = Event { position, timestamp_ms: time_ms, payload: Some(payload.as_bytes()), format_header: None };
        let (arena, key, teller) = (Bump::new(), MaskKey::new(b"0123456789abcdef"), self.teller);
        let decoded = decode(&event, Format::Native, Bounds::default(), &arena)
            .unwrap_or_else(|reject| panic!("{}", reject.detail));
        let interaction = &decoded.interactions[0];
        let hits = teller.scanner.scan(interaction, &arena, &mut Scratch::default());
        let mut facts = Facts::new(interaction, &hits, time_ms, &key);
        (facts.principal, facts.application, facts.provider) = (names.principal, names.application, names.provider);
        (facts.model, facts.destination.host) = (names.model, names.host);
        let scores = score(&mut self.state, &facts, &teller.policy.limits);
        let judged = judge(&teller.policy, teller.catalogue, &facts, &scores);
        let state = &mut self.state;
        let alerts = judged.findings.iter().filter_map(|finding| throttle(state, &facts, finding, &teller.config));
        alerts
            .map(|alert| Told {
                name: name.to_owned(),
                headers: alert.headers(),
                value: serde_json::from_slice(&alert.value()).expect("an alert is JSON"),
                text: text.to_owned(),
            })
            .collect()
    }
}

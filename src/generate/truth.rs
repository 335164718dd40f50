//! What was planted: kinds, the rule that has to find each, and the truth record.
//!
//! Expectations are written by hand. Nothing in here reads what weir detects.

use serde::Serialize;
use std::fmt;

use crate::model::closed_set;

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
        AwsKeyPair = 12 "aws_key_pair",
        AwsSecretKey = 13 "aws_secret_key",
        GithubFineGrainedToken = 14 "github_fine_grained_token",
        GitlabToken = 15 "gitlab_token",
        GoogleApiKey = 16 "google_api_key",
        NpmToken = 17 "npm_token",
        OpenAiKey = 18 "openai_key",
        AnthropicKey = 19 "anthropic_key",
        SlackToken = 20 "slack_token",
        StripeKey = 21 "stripe_key",
        UrlPassword = 22 "url_password",
        GenericSecret = 23 "generic_secret",
        Email = 24 "email",
        Phone = 25 "phone",
        IpAddress = 26 "ip_address",
        RoleMarker = 27 "role_marker",
        Jailbreak = 28 "jailbreak",
        SystemPromptRequest = 29 "system_prompt_request",
        TokenBurst = 30 "token_burst",
    }
}

closed_set! {
    /// Where in a call a planted value stands.
    Carrier {
        User = 1 "user",
        ToolCall = 2 "tool_call",
        ToolResult = 3 "tool_result",
        Answer = 4 "answer",
        /// In an answer that was captured as a stream: the value is cut over several chunks.
        Stream = 5 "stream",
    }
}

/// The kinds that stand in the text of one call; they take turns. Kinds of one family stand apart, so that a short
/// stream holds something of each.
pub(super) const IN_TEXT: [Kind; 27] = [
    Kind::AwsKey,
    Kind::CreditCard,
    Kind::PromptInjection,
    Kind::GithubToken,
    Kind::Ssn,
    Kind::MarkdownExfiltration,
    Kind::PrivateKey,
    Kind::Iban,
    Kind::Jwt,
    Kind::Jailbreak,
    Kind::AwsKeyPair,
    Kind::Email,
    Kind::RoleMarker,
    Kind::OpenAiKey,
    Kind::Phone,
    Kind::SystemPromptRequest,
    Kind::UrlPassword,
    Kind::IpAddress,
    Kind::GitlabToken,
    Kind::GenericSecret,
    Kind::SlackToken,
    Kind::AwsSecretKey,
    Kind::AnthropicKey,
    Kind::GithubFineGrainedToken,
    Kind::StripeKey,
    Kind::GoogleApiKey,
    Kind::NpmToken,
];

impl Kind {
    /// The rule that has to find it; a bad event is found by none.
    pub fn expected_rule(self) -> Option<&'static str> {
        Some(match self {
            Kind::BadEvent => return None,
            Kind::AwsKey | Kind::AwsKeyPair => "secret.aws_access_key",
            Kind::AwsSecretKey => "secret.aws_secret_key",
            Kind::GithubToken => "secret.github_token",
            Kind::GithubFineGrainedToken => "secret.github_fine_grained_token",
            Kind::GitlabToken => "secret.gitlab_token",
            Kind::GoogleApiKey => "secret.google_api_key",
            Kind::NpmToken => "secret.npm_token",
            Kind::OpenAiKey => "secret.openai_key",
            Kind::AnthropicKey => "secret.anthropic_key",
            Kind::SlackToken => "secret.slack_token",
            Kind::StripeKey => "secret.stripe_live_key",
            Kind::UrlPassword => "secret.url_password",
            Kind::GenericSecret => "secret.generic_assignment",
            Kind::PrivateKey => "secret.private_key",
            Kind::Jwt => "secret.jwt",
            Kind::CreditCard => "pii.credit_card",
            Kind::Ssn => "pii.us_ssn",
            Kind::Iban => "pii.iban",
            Kind::Email => "pii.email_address",
            Kind::Phone => "pii.phone_number",
            Kind::IpAddress => "pii.ip_address",
            Kind::PromptInjection => "injection.override",
            Kind::RoleMarker => "injection.role_marker",
            Kind::Jailbreak => "jailbreak.persona",
            Kind::SystemPromptRequest => "exfiltration.system_prompt_request",
            Kind::MarkdownExfiltration => "exfiltration.markdown_url",
            Kind::RateBurst => "policy.limit.requests_per_minute",
            Kind::TokenBurst => "policy.limit.tokens_per_minute",
        })
    }

    /// Where it may stand: each place as often as it is listed.
    pub(super) fn carriers(self) -> &'static [Carrier] {
        use Carrier::{Answer, ToolCall, ToolResult, User};
        match self {
            Kind::Jailbreak | Kind::SystemPromptRequest => &[User],
            Kind::MarkdownExfiltration => &[Answer],
            // Mostly indirect: somebody else's text gives orders to the model.
            Kind::PromptInjection | Kind::RoleMarker => &[ToolResult, ToolResult, User],
            Kind::CreditCard | Kind::Ssn | Kind::Iban | Kind::Email | Kind::Phone | Kind::IpAddress => {
                &[User, ToolResult, Answer]
            }
            Kind::PrivateKey => &[User, User, ToolResult, Answer],
            _ => &[User, User, ToolCall, ToolResult, Answer],
        }
    }

    /// Whether it is a credential.
    pub(super) fn is_secret(self) -> bool {
        self.expected_rule().is_some_and(|rule| rule.starts_with("secret."))
    }
}

/// What weir has to find: one line of the truth file. Secret material: see the head of the generate room.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Incident {
    /// Its number in the stream, from 0.
    pub incident: u64,
    #[serde(serialize_with = "kind_by_name")]
    pub kind: Kind,
    /// The rule that has to find it; null for a bad event.
    pub expected_rule: Option<&'static str>,
    /// The reason of the dead letter that has to come; null for all but bad events.
    pub expected_reject: Option<&'static str>,
    /// Which event of the stream it is, from 0; of a burst the first. On stdout: the line.
    pub sequence: u64,
    /// How many events belong to it.
    pub events: u64,
    /// The id that the call itself carries; of a burst the first call's, empty for a bad event.
    pub id: String,
    /// The time of the event, in ms since the epoch.
    pub timestamp_ms: i64,
    /// `kind:value`; empty for a bad event.
    pub principal: String,
    /// Where in the call it stands; null for bursts and bad events.
    #[serde(serialize_with = "carrier_by_name")]
    pub carrier: Option<Carrier>,
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

fn kind_by_name<S: serde::Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.name())
}

fn carrier_by_name<S: serde::Serializer>(carrier: &Option<Carrier>, serializer: S) -> Result<S::Ok, S::Error> {
    match carrier {
        Some(carrier) => serializer.serialize_str(carrier.name()),
        None => serializer.serialize_none(),
    }
}

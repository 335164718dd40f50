//! Which properties of librdkafka a configuration may not set, and what to do instead.
//!
//! Everything that exactly-once rests on is here, under all of its names: a property that slipped through would
//! break the promise silently. Whether a property exists at all is librdkafka's to say when weir starts.

/// Names with their remedy.
const REFUSED: &[(&[&str], &str)] = &[
    (&["bootstrap.servers", "metadata.broker.list"], "name the brokers in kafka.brokers"),
    (&["group.id"], "set kafka.group: it is the prefix of the three groups"),
    (&["group.instance.id", "transactional.id"], "set kafka.instance: both names are made of it"),
    (&["session.timeout.ms"], "set kafka.session_timeout"),
    (&["auto.offset.reset"], "set input.start and input.out_of_range: a reset must never happen silently"),
    (
        &[
            "enable.auto.commit",
            "auto.commit.enable",
            "auto.commit.interval.ms",
            "enable.auto.offset.store",
            "offset.store.method",
        ],
        "leave it out: offsets move only in transactions; kafka.commit_interval says how often",
    ),
    (&["isolation.level"], "leave it out: events of aborted transactions would count twice"),
    (&["enable.idempotence", "enable.gapless.guarantee"], "leave it out: transactions need it as it is"),
    (&["acks", "request.required.acks"], "leave it out: a transaction needs every replica in sync"),
    (
        &["max.in.flight", "max.in.flight.requests.per.connection", "retries", "message.send.max.retries"],
        "leave it out: order and repetition are the transaction's",
    ),
    (
        &["transaction.timeout.ms", "message.timeout.ms", "delivery.timeout.ms", "max.poll.interval.ms"],
        "leave it out: restores wait as long as it says, which is fixed",
    ),
    (
        &["partition.assignment.strategy", "group.protocol", "group.remote.assignor"],
        "leave it out: state follows partitions only under the classic cooperative-sticky protocol",
    ),
    (&["partitioner", "partitioner_cb"], "leave it out: weir's own hash places each principal"),
    (&["message.max.bytes", "enable.partition.eof"], "leave it out: the loops rest on it"),
    (&["plugin.library.paths", "ssl.engine.location", "ssl.providers"], "leave it out: weir loads no foreign code"),
    (&["security.protocol"], "set kafka.tls and kafka.sasl: it follows from them"),
    (&["sasl.mechanism", "sasl.mechanisms"], "set kafka.sasl.mechanism"),
    (&["sasl.username"], "set kafka.sasl.username"),
    (&["sasl.password"], "set kafka.sasl.password"),
    (
        &["enable.ssl.certificate.verification"],
        "leave it out: without it anybody can pose as the broker, and gets password and traffic. Name the broker's \
         authority, or its own certificate, in kafka.tls.ca_file",
    ),
    (&["ssl.ca.location", "ssl.ca.pem", "ssl.ca", "ssl.ca.certificate.stores"], "set kafka.tls.ca_file"),
    (
        &["ssl.certificate.location", "ssl.certificate.pem", "ssl.certificate", "ssl.keystore.location"],
        "set kafka.tls.cert_file (and key_file), in PEM",
    ),
    (&["ssl.key.location", "ssl.key.pem", "ssl.key"], "set kafka.tls.key_file, in PEM"),
];

/// Why a property may not be set: what to do instead.
pub fn refused(name: &str) -> Option<&'static str> {
    let name = name.trim().to_ascii_lowercase();
    REFUSED.iter().find(|(names, _)| names.contains(&&*name)).map(|(_, remedy)| *remedy)
}

/// All of their names.
pub fn refused_names() -> Vec<&'static str> {
    REFUSED.iter().flat_map(|(names, _)| names.iter().copied()).collect()
}

/// Whether a text is an address with a user or a password in it, before the host or in what is asked of it.
pub fn holds_credentials(text: &str) -> bool {
    match text.split_once("://") {
        Some((_, rest)) => {
            let asked = rest.split_once('?').map_or("", |(_, asked)| asked).split('&');
            rest.contains('@') || asked.map(|pair| pair.split('=').next().unwrap_or(pair)).any(is_secret)
        }
        None => text.split_once('@').is_some_and(|(user, host)| user.contains(':') && host.contains(':')),
    }
}

/// Words that make a name that of a secret.
const SECRET_WORDS: &[&str] = &["password", "passwd", "secret", "token", "credential", "key.pem", "oauthbearer.config"];

/// Whether the value of a property, or of a key's path, must never be shown. A slip of the pen in `password` does
/// not make the value public.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let last = name.rsplit('.').next().unwrap_or(&name);
    SECRET_WORDS.iter().any(|word| name.contains(word)) || strsim::jaro_winkler(last, "password") > 0.85
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_credentials_are_known() {
        for text in ["http://u:p@h", "u:p@h:9092", "https://h:8123/?password=x", "http://h?a=b&access_token=x"] {
            assert!(holds_credentials(text), "{text}");
        }
        for text in [
            "http://h:8123",
            "h:9092,i:9092",
            "https://wiki/a?page=3",
            "https://wiki/a?page=secrets",
            "somebody@example.org",
            "a: b",
        ] {
            assert!(!holds_credentials(text), "{text}");
        }
    }

    #[test]
    fn no_way_leads_around_the_sections_for_security() {
        for name in [
            "security.protocol",
            "sasl.mechanisms",
            "SASL.Password",
            " ssl.ca.pem ",
            "ssl.key.pem",
            "ssl.keystore.location",
            "ssl.engine.location",
            "enable.ssl.certificate.verification",
        ] {
            assert!(refused(name).is_some(), "{name}");
        }
        // These are of use, and none of ours.
        for name in ["ssl.key.password", "ssl.cipher.suites", "ssl.endpoint.identification.algorithm", "client.rack"] {
            assert!(refused(name).is_none(), "{name}");
        }
        assert!(is_secret("ssl.key.password"));
    }
}

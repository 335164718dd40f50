//! Everything over TLS, with passwords and the least rights: the ACLs and GRANTs that weir prints are given to users
//! who have no others, and each role does all its work with them; what is wrong or lacking is told with its remedy.

use crate::harness::kafka::Kafka;
use crate::harness::process::{Binary, Start, Weir, tail};
use crate::harness::servers::{self, OwnClickHouse, Secured, kafka_jars};
use crate::harness::site::{Options, Site, topic_name};
use crate::harness::traffic::{append_keyed, traffic};
use crate::harness::{PATIENCE, scratch, slot, wait_until};
use crate::migrations::{block_on, config as plain_config};
use crate::reconcile::{Expected, assert_ledger};
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use weir::clickhouse::access::Role;
use weir::clickhouse::schema;
use weir::clickhouse::{Client, Config, Tls};

/// The roles of `weir run`, with their users at the local broker.
const ROLES: [(&str, &str); 3] = [("detect", "weir-detect"), ("score", "weir-score"), ("store", "weir-store")];

/// The password of every ClickHouse user of these tests.
const CLICKHOUSE_PASSWORD: &str = "it-clickhouse-password";

/// Users `it_migrator`, `it_writer` and `it_reader` with the rights that `weir schema grants` prints. The local
/// ClickHouse has no CREATE USER and no roles, so the statements lose who they are for.
fn users(database: &str) -> String {
    let client = Client::new(&plain_config("http://localhost:1", database)).unwrap();
    let mut xml = String::new();
    for (role, user) in Role::ALL.into_iter().zip(["it_migrator", "it_writer", "it_reader"]) {
        write!(xml, "<{user}><password>{CLICKHOUSE_PASSWORD}</password><networks><ip>127.0.0.1</ip></networks>")
            .unwrap();
        xml.push_str("<profile>default</profile><quota>default</quota><grants>");
        let name = format!(" TO `{}`", role.name(&client));
        for statement in role.statements(&client).iter().filter(|statement| statement.starts_with("GRANT ")) {
            let grant = statement.strip_suffix(&name).expect("a grant ends in its role");
            write!(xml, "<query>{grant}</query>").unwrap();
        }
        writeln!(xml, "</grants></{user}>").unwrap();
    }
    xml
}

/// Kafka's own tool for ACLs, under its name, and what it needs to be let in.
fn give_tools(site: &Site, secured: &Secured) {
    let tool = format!(
        "#!/bin/sh\nexec java -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '{}/*' \
         org.apache.kafka.tools.AclCommand \"$@\"\n",
        kafka_jars().display()
    );
    let path = site.dir.join("kafka-acls.sh");
    std::fs::write(&path, tool).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let password = std::fs::read_to_string(secured.password_file("weir")).unwrap();
    let properties = format!(
        "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\nssl.truststore.type=PEM\nssl.truststore.location={}\n\
         sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"weir\" \
         password=\"{password}\";\n",
        secured.ca
    );
    std::fs::write(site.dir.join("admin.properties"), properties).unwrap();
}

/// Runs command lines as a person would in a shell, all at once.
fn in_a_shell(site: &Site, lines: &[String]) {
    let path = format!("{}:{}", site.dir.display(), std::env::var("PATH").unwrap());
    let shell = |line: &String| {
        Command::new("sh")
            .args(["-c", line])
            .env("PATH", &path)
            .current_dir(&site.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let running: Vec<_> = lines.iter().map(|line| (line, shell(line))).collect();
    for (line, child) in running {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{line}\n{}", said(&output));
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What `weir topics acls` prints for a role.
fn printed_acls(site: &Site, role: &str, user: &str) -> Vec<String> {
    let text = site.weir(&["topics", "acls", "--user", user]);
    let block = text.split("\n\n").find(|block| block.trim_start().starts_with(&format!("# {role}:")));
    let block = block.unwrap_or_else(|| panic!("no ACLs of {role} in:\n{text}"));
    block.lines().filter(|line| line.starts_with("kafka-acls.sh ")).map(str::to_owned).collect()
}

/// A role that must end by itself at its start, with this in its last words.
fn ends_saying(site: &Site, config: &Path, role: &str, words: &[String]) {
    let mut weir = Weir::start(site, Start::instance("weir-0").role(role).config(config));
    let status = weir.wait(PATIENCE);
    let log = weir.log_text();
    assert_eq!(status.code(), Some(1), "{log}");
    for word in words {
        assert!(log.contains(word.as_str()), "{role} does not say {word:?}:\n{log}");
    }
}

struct Scene {
    secured: Secured,
    clickhouse: OwnClickHouse,
    site: Site,
    kafka: Kafka,
    input: String,
    configs: Vec<PathBuf>,
}

/// A site whose every connection asks who comes, and a configuration for each role.
fn scene() -> Scene {
    let secured = Secured::start();
    let kafka = Kafka::connect(&secured.brokers);
    let clickhouse = OwnClickHouse::with_users("secure", &users(&topic_name("secure").replace('-', "_")));
    let (clickhouse_url, clickhouse_ca) = clickhouse.secure();
    let input = topic_name("secure-input");
    let password = |user| secured.password_file(user).display().to_string();
    let kafka_keys = format!(
        "brokers: \"{}\", tls: {{ ca_file: {} }}, sasl: {{ mechanism: SCRAM-SHA-512, username: weir, password: \
         \"${{file:{}}}\" }}",
        secured.secure,
        secured.ca,
        password("weir")
    );
    let clickhouse_keys = format!(
        "url: \"{clickhouse_url}\", tls: {{ ca_file: {clickhouse_ca} }}, user: it_migrator, password: \
         {CLICKHOUSE_PASSWORD}"
    );
    kafka.create(&input, 2);
    let options = Options {
        clickhouse_url: Some(&clickhouse.url),
        brokers: Some(&secured.brokers),
        kafka: Some(&kafka_keys),
        clickhouse: Some(&clickhouse_keys),
        ..Options::default()
    };
    let site = Site::with("secure", std::slice::from_ref(&input), options);
    give_tools(&site, &secured);
    let configs = ROLES.map(|(role, user)| {
        let name = format!("username: {user},");
        let replaced = [
            ("username: weir,", &*name),
            (&password("weir"), &password(user)),
            ("user: it_migrator", "user: it_writer"),
        ];
        site.config_of(role, &replaced)
    });
    Scene { secured, clickhouse, site, kafka, input, configs: configs.to_vec() }
}

impl Scene {
    fn start(&self, index: usize) -> Weir {
        Weir::start(&self.site, Start::instance("weir-0").role(ROLES[index].0).config(&self.configs[index]))
    }

    fn passwords(&self) -> Vec<String> {
        let users = ROLES.iter().map(|(_, user)| *user).chain(["weir"]);
        let read = |user| std::fs::read_to_string(self.secured.password_file(user)).unwrap();
        users.map(read).chain([CLICKHOUSE_PASSWORD.to_owned()]).collect()
    }

    /// No password may be seen by whoever looks at processes or logs.
    fn assert_secret(&self, text: &str, place: &str) {
        let is_there = self.passwords().iter().any(|password| text.contains(password.as_str()));
        assert!(!is_there, "a password is in {place}");
    }

    /// The users can do what they are for, and no more.
    fn assert_clickhouse_rights(&self, rows: usize) {
        let (url, ca) = self.clickhouse.secure();
        let tls = Tls { ca: Some(std::fs::read_to_string(ca).unwrap()), identity: None };
        let password = CLICKHOUSE_PASSWORD.to_owned();
        let ask = |user: &str, sql: &str| {
            let plain = plain_config(&url, &self.site.database);
            let config = Config { tls: tls.clone(), user: user.into(), password: password.clone(), ..plain };
            block_on(Client::new(&config).unwrap().query_json(sql))
        };
        let database = &self.site.database;
        let read = format!("SELECT toUInt32(count()) AS n, max(principal) AS p FROM {database}.interactions");
        assert_eq!(ask("it_reader", &read).unwrap()[0]["n"], rows);
        let refused = [
            ("it_writer", read.clone()),
            ("it_writer", format!("DROP TABLE {database}.findings")),
            ("it_reader", format!("TRUNCATE TABLE {database}.findings")),
            ("it_reader", "SELECT name FROM system.users".to_owned()),
        ];
        for (user, sql) in refused {
            // ACCESS_DENIED
            assert_eq!(ask(user, &sql).unwrap_err().code, Some(497), "{user}: {sql}");
        }
        assert_eq!(ask("it_reader", "SELECT 1 AS n").unwrap()[0]["n"], 1);
    }
}

#[test]
fn each_role_does_its_work_with_the_rights_that_are_printed() {
    let _slot = slot();
    let scene = scene();
    let Scene { site, kafka, input, configs, .. } = &scene;
    let topic = |name| site.topic(name);

    // Without any right each says first what it lacks first.
    let transactions = format!("lacks: Write on transactional ids {}-", site.group("detect"));
    ends_saying(site, &configs[0], "detect", &["User weir-detect".into(), transactions]);
    let outbox = format!("lacks: Read on topic {}, Delete on topic {0}", topic("outbox"));
    ends_saying(site, &configs[2], "store", &["User weir-store".into(), outbox, "weir topics acls".into()]);

    for (role, user) in ROLES {
        in_a_shell(site, &printed_acls(site, role, user));
    }
    let mut next = vec![0; 2];
    let events = traffic(51, 3_000);
    let places = append_keyed(kafka, input, &mut next, &events);
    let mut running: Vec<Weir> = (0..ROLES.len()).map(|index| scene.start(index)).collect();
    site.settle(&mut running.iter_mut().collect::<Vec<_>>());
    for weir in running {
        scene.assert_secret(&weir.command_line(), "a command line");
        weir.stop();
    }
    Expected { events: &events, places: &places }.assert_rows(site);
    assert_ledger(site);
    scene.assert_clickhouse_rights(site.db.count("SELECT count() FROM interactions") as usize);

    // One right less each, and more to do.
    let without = |(_, user): (&str, &str), right: &str| {
        format!(
            "kafka-acls.sh --bootstrap-server {} --command-config admin.properties --remove --force \
             --allow-principal User:{user} {right}",
            scene.secured.secure
        )
    };
    append_keyed(kafka, input, &mut next, &traffic(52, 1_000));
    let mut detect = scene.start(0);
    site.settle_stages(&["detect"], &mut [&mut detect]);
    detect.stop();
    in_a_shell(
        site,
        &[
            without(ROLES[0], &format!("--operation Write --topic {}", topic("outbox"))),
            without(ROLES[1], &format!("--operation Write --topic {}", topic("state"))),
            without(ROLES[2], &format!("--operation Delete --topic {}", topic("outbox"))),
        ],
    );
    let lacks = |name| format!("lacks: Write on topic {}. Grant it:", topic(name));
    ends_saying(site, &configs[0], "detect", &[lacks("outbox"), "--operation Write --topic".into()]);
    // In the midst of a transaction librdkafka may name the topic itself; then score goes on trying.
    let score = scene.start(1);
    wait_until("score to say what it lacks", PATIENCE, || {
        let log = score.log_text();
        let is_said = log.contains(&topic("state")) && log.contains("weir topics acls");
        if is_said { Ok(()) } else { Err(tail(&log)) }
    });
    drop(score);
    let mut store = scene.start(2);
    store.wait_for_log(&["grant Delete on this topic", &topic("outbox")]);
    store.stop();
    for (path, text) in site.logs() {
        scene.assert_secret(&String::from_utf8_lossy(&text), &path.display().to_string());
    }
    let Scene { secured: _secured, clickhouse: _clickhouse, site, kafka, input, .. } = scene;
    site.drop_all();
    kafka.delete(&[&input]);
}

/// Runs a command of weir with these keys in the sections `kafka` and `clickhouse`.
fn weir(name: &str, arguments: &[&str], kafka: &str, clickhouse: &str) -> Output {
    let dir = scratch();
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join(format!("secure-{name}.yaml"));
    let text = format!(
        "kafka: {{ {kafka} }}\ninput: {{ topics: [it.none] }}\ntopics: {{ prefix: it-none. }}\nclickhouse: {{ {clickhouse} }}\n"
    );
    std::fs::write(&path, text).unwrap();
    let mut command = Command::new(Binary::Weir.path());
    let output = command.args(arguments).arg("-c").arg(&path).stdin(Stdio::null()).output().unwrap();
    std::fs::remove_file(path).unwrap();
    output
}

const NO_CLICKHOUSE: &str = "url: \"http://127.0.0.1:1\"";

#[test]
fn kafka_lets_in_whom_it_should_and_else_weir_says_why_not() {
    let secured = Secured::start();
    let Secured { brokers, secure, mutual, ca, cert, key, .. } = &secured;
    let password = std::fs::read_to_string(secured.password_file("weir")).unwrap();
    let sasl = |mechanism: &str, password: &str| {
        format!("sasl: {{ mechanism: {mechanism}, username: weir, password: \"{password}\" }}")
    };
    let (tls, own) = (format!("tls: {{ ca_file: {ca} }}"), format!("cert_file: {cert}, key_file: {key}"));
    let scram = sasl("SCRAM-SHA-512", &password);
    let table = [
        ("sha512", format!("brokers: \"{secure}\", {tls}, {scram}"), None),
        ("sha256", format!("brokers: \"{secure}\", {tls}, {}", sasl("SCRAM-SHA-256", &password)), None),
        ("plain", format!("brokers: \"{secure}\", {tls}, {}", sasl("PLAIN", &password)), None),
        ("mutual", format!("brokers: \"{mutual}\", tls: {{ ca_file: {ca}, {own} }}"), None),
        (
            "password",
            format!("brokers: \"{secure}\", {tls}, {}", sasl("SCRAM-SHA-512", &format!("{password}-not"))),
            Some("Correct kafka.sasl"),
        ),
        ("authority", format!("brokers: \"{secure}\", tls: {{}}, {scram}"), Some("kafka.tls.ca_file")),
        ("no-certificate", format!("brokers: \"{mutual}\", {tls}"), Some("kafka.tls.cert_file")),
        ("tls-to-plain", format!("brokers: \"{brokers}\", {tls}"), Some("does not speak TLS")),
        ("plain-to-tls", format!("brokers: \"{secure}\""), Some("want TLS or a password (kafka.tls, kafka.sasl)")),
        ("dead", "brokers: \"127.0.0.1:1\"".to_owned(), Some("Is Kafka running there?")),
    ];
    std::thread::scope(|scope| {
        for (name, keys, remedy) in &table {
            let password = &password;
            scope.spawn(move || {
                let begun = Instant::now();
                let output = weir(name, &["topics", "plan"], keys, NO_CLICKHOUSE);
                let text = said(&output);
                match remedy {
                    None => assert!(output.status.success(), "{name}: {text}"),
                    Some(remedy) => {
                        assert_eq!(output.status.code(), Some(1), "{name}: {text}");
                        assert!(text.contains(remedy), "{name}: {text}");
                    }
                }
                assert!(!text.contains(password.as_str()), "{name} prints the password");
                assert!(begun.elapsed() < Duration::from_secs(20), "{name} took {:?}", begun.elapsed());
                if ["plain-to-tls", "dead"].contains(name) {
                    assert!(text.contains("waiting up to 10 s"), "{name} waits in silence: {text}");
                }
            });
        }
    });
    let few = weir("copies", &["topics", "plan"], &format!("brokers: \"{brokers}\""), NO_CLICKHOUSE);
    assert!(said(&few).contains("__consumer_offsets (1)"), "one local broker has one copy: {}", said(&few));
}

#[test]
fn a_reset_without_topics_says_what_to_do() {
    let brokers = format!("brokers: \"{}\", group: {}", servers::shared().brokers, topic_name("no-reset"));
    let output = weir("reset", &["state", "reset", "--partition", "0"], &brokers, NO_CLICKHOUSE);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("topic it-none.facts is missing: make it with `weir topics apply"),
        "{}",
        said(&output)
    );
}

#[test]
fn clickhouse_over_tls_says_what_is_wrong() {
    let clickhouse = OwnClickHouse::start("tls");
    let (url, ca) = clickhouse.secure();
    let user = format!("user: weir, password: \"${{file:{}}}\"", clickhouse.password_file());
    let tls = format!("tls: {{ ca_file: {ca} }}");
    let other_name = url.replace("127.0.0.1", "127.0.0.2");
    let plain = clickhouse.url.replace("http://", "https://");
    let no_pem = clickhouse.password_file();
    let table = [
        ("right", format!("url: \"{url}\", {tls}, {user}"), 1, "the schema is missing"),
        ("authority", format!("url: \"{url}\", {user}"), 1, "clickhouse.tls.ca_file"),
        ("name", format!("url: \"{other_name}\", {tls}, {user}"), 1, "use one of its names in clickhouse.url"),
        ("port", format!("url: \"{plain}\", {tls}, {user}"), 1, "does not speak TLS"),
        ("password", format!("url: \"{url}\", {tls}, user: weir, password: wrong-one"), 1, "error 516"),
        ("no-pem", format!("url: \"{url}\", tls: {{ ca_file: {no_pem} }}"), 2, "holds no certificate in PEM"),
        ("half", format!("url: \"{url}\", tls: {{ cert_file: {ca} }}"), 2, "add clickhouse.tls.key_file"),
        ("http", format!("url: \"{}\", {tls}", clickhouse.url), 2, "clickhouse.tls is set, but"),
    ];
    let password = std::fs::read_to_string(clickhouse.password_file()).unwrap();
    for (name, keys, code, words) in table {
        let output = weir(&format!("clickhouse-{name}"), &["schema", "status"], "brokers: \"localhost:1\"", &keys);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{name}: {text}");
        assert!(text.contains(words), "{name}: {text}");
        assert!(!text.contains(&password) && !text.contains("wrong-one"), "{name} prints the password");
    }
}

/// The local ClickHouse has neither Keeper nor roles, so these statements are parsed by it, and not run.
#[test]
fn clickhouse_understands_what_a_cluster_and_its_roles_are_told() {
    let url = &servers::shared().clickhouse_url;
    let config = Config { cluster: Some("main".into()), ..plain_config(url, "weir") };
    let client = Client::new(&config).unwrap();
    let tables = schema::from_nothing(&client).into_iter().flat_map(|step| step.statements);
    let statements: Vec<String> = tables.chain(Role::ALL.iter().flat_map(|role| role.statements(&client))).collect();
    assert!(statements.iter().all(|statement| statement.contains("ON CLUSTER `main`")));
    let asker = Client::new(&plain_config(url, "weir")).unwrap();
    let parse = |sql: &str| {
        let quoted = sql.replace('\\', r"\\").replace('\'', r"\'");
        block_on(asker.query_json(&format!("SELECT formatQuery('{quoted}') AS formatted")))
    };
    for statement in statements {
        let parsed = parse(&statement).unwrap_or_else(|error| panic!("{error}: {statement}"));
        let formatted = parsed[0]["formatted"].as_str().unwrap();
        assert!(formatted.contains("ON CLUSTER"), "{formatted}");
        assert_eq!(formatted.contains("ENGINE"), statement.contains("ENGINE"), "{formatted}");
    }
    assert!(parse("CREATE TABEL a ON CLUSTER main").is_err(), "nonsense is no statement");
    // A server that does not know the cluster is told apart from one on which the tables are missing.
    let error = block_on(schema::plan(&client)).expect_err("no such cluster").to_string();
    assert!(error.contains("this server knows no cluster main"), "{error}");
}

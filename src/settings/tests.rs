//! The settings as people write them: layers, slips, limits, secrets, shipped files.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::keys::keys;
use super::*;
use crate::address::DatabaseKind;
use crate::contact::RequestDefaults;

fn file(text: &str) -> Layers {
    Layers {
        file: Some((PathBuf::from("/x/courier.toml"), text.to_owned())),
        ..Layers::default()
    }
}

fn environment(variables: &[(&str, &str)]) -> Layers {
    let owned = |(name, value): &(&str, &str)| (OsString::from(name), OsString::from(value));
    Layers {
        environment: variables.iter().map(owned).collect(),
        ..Layers::default()
    }
}

fn flags(flags: &[&str]) -> Layers {
    Layers {
        flags: flags.iter().map(ToString::to_string).collect(),
        ..Layers::default()
    }
}

fn settings(layers: &Layers) -> Settings {
    Settings::from_layers(layers).unwrap_or_else(|e| panic!("{e}"))
}

fn fault(layers: &Layers) -> String {
    let error = Settings::from_layers(layers).expect_err("is wrong");
    assert_eq!(error.faults.len(), 1, "{error}");
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

fn serialised_keys(settings: &Settings) -> BTreeSet<String> {
    let table = toml::Table::try_from(settings).unwrap();
    let of_section = |(section, keys): (&String, &toml::Value)| -> Vec<String> {
        let keys = keys.as_table().unwrap().keys();
        keys.map(|key| format!("{section}.{key}")).collect()
    };
    table.iter().flat_map(of_section).collect()
}

#[test]
fn the_defaults_keep_every_rule() {
    settings(&Layers::default());
    Settings::default().check().unwrap();
}

#[test]
fn every_field_of_the_settings_can_be_set_and_is_listed_once() {
    let listed: Vec<String> = keys().map(|key| key.name.to_owned()).collect();
    let unique: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), unique.len());
    assert_eq!(unique, serialised_keys(&Settings::default()));
}

#[test]
fn the_shipped_full_file_holds_every_key_once_with_its_default() {
    let text = include_str!("../../config/contact-courier.toml");
    let is_key = |line: &str| {
        line.strip_prefix('#')
            .and_then(|rest| rest.split_once(" = "))
            .is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    };
    let uncommented: String = text
        .lines()
        .map(|line| if is_key(line) { &line[1..] } else { line })
        .fold(String::new(), |text, line| text + line + "\n");
    // The shipped file sets nothing; uncommented, it sets every key to its default.
    let default = toml::to_string(&Settings::default()).unwrap();
    assert_eq!(toml::to_string(&settings(&file(text))).unwrap(), default);
    assert_eq!(
        toml::to_string(&settings(&file(&uncommented))).unwrap(),
        default
    );
    let table: toml::Table = toml::from_str(&uncommented).unwrap();
    let count: usize = table
        .values()
        .map(|section| section.as_table().unwrap().len())
        .sum();
    assert_eq!(count, keys().count());
}

#[test]
fn the_shipped_minimal_file_is_enough() {
    let settings = settings(&file(include_str!("../../config/minimal.toml")));
    settings.require_platform_token().unwrap();
    assert_eq!(settings.database.url.kind(), Some(DatabaseKind::Postgres));
}

#[test]
fn a_later_layer_wins() {
    let mut layers = file("[delivery]\nlinger = \"2s\"\nlease = \"2s\"\nbatch_size = 2");
    layers.environment = environment(&[
        ("COURIER__DELIVERY__LINGER", "3s"),
        ("COURIER__DELIVERY__LEASE", "3s"),
    ])
    .environment;
    layers.flags = vec!["delivery.linger=4s".into(), "delivery.linger=5s".into()];
    let delivery = settings(&layers).delivery;
    assert_eq!(delivery.linger, Duration::from_secs(5));
    assert_eq!(delivery.lease, Duration::from_secs(3));
    assert_eq!(delivery.batch_size, 2);
}

#[test]
fn the_environment_can_spell_every_kind_of_value() {
    let settings = settings(&environment(&[
        ("COURIER__PLATFORM__TOKEN", "12345"),
        ("COURIER__PLATFORM__LANE_CODES", "6007, 6008"),
        ("COURIER__PLATFORM__LANE_MARKERS", "先停止,先暂停"),
        ("COURIER__PLATFORM__DUPLICATE_MARKERS", ""),
        ("COURIER__DATABASE__AUTO_MIGRATE", "False"),
        ("COURIER__DATABASE__MAX_CONNECTIONS", "4"),
        ("COURIER__RETRY__GIVE_UP_AFTER", "0s"),
        ("COURIER__RATE_LIMIT__PER_USER", "2.5"),
        ("COURIER__RATE_LIMIT__PER_LANE", ""),
        ("COURIER__ADMIN__LISTEN", ""),
        ("COURIER__LOG__FORMAT", "json"),
        ("COURIER_TEST_POSTGRES", "postgres://"),
        ("PATH", "/bin"),
    ]));
    assert_eq!(settings.platform.token.unwrap().expose_secret(), "12345");
    assert_eq!(settings.platform.lane_codes, [6007, 6008]);
    assert_eq!(settings.platform.lane_markers, ["先停止", "先暂停"]);
    assert!(settings.platform.duplicate_markers.is_empty());
    assert!(!settings.database.auto_migrate);
    assert_eq!(settings.database.max_connections, 4);
    assert_eq!(settings.retry.give_up_after, Duration::ZERO);
    assert_eq!(settings.rate_limit.per_user, Some(2.5));
    assert_eq!(settings.rate_limit.per_lane, None);
    assert_eq!(settings.admin.listen, None);
    assert_eq!(settings.log.format, Some(LogFormat::Json));
}

#[test]
fn giving_up_on_holds_is_off_unless_it_is_asked_for() {
    let set = |flag| {
        let settings = Settings::from_layers(&flags(&[flag])).unwrap();
        settings.retry.give_up_on_holds_after
    };
    assert_eq!(Settings::default().retry.give_up_on_holds_after, None);
    assert_eq!(set("retry.give_up_on_holds_after="), None);
    let days = set("retry.give_up_on_holds_after=30d");
    assert_eq!(days, Some(Duration::from_hours(720)));
}

#[test]
fn an_empty_text_in_a_later_layer_unsets_an_optional_key() {
    let mut layers = file("[platform]\ntoken = \"abc\"\n[rate_limit]\nper_user = 3");
    layers.flags = vec!["platform.token=".into(), "rate_limit.per_user=".into()];
    let settings = settings(&layers);
    assert!(settings.platform.token.is_none());
    assert_eq!(settings.rate_limit.per_user, None);
    assert!(settings.require_platform_token().is_err());
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_key_that_was_meant() {
    assert_eq!(
        fault(&file("[platform]\nbase_ulr = \"x\"")),
        "unknown setting platform.base_ulr (file /x/courier.toml): did you mean platform.base_url?"
    );
    assert_eq!(
        fault(&environment(&[("COURIER__DELIVERY__LINGERS", "1s")])),
        "unknown setting delivery.lingers (environment variable COURIER__DELIVERY__LINGERS): \
         did you mean delivery.linger?"
    );
    assert_eq!(
        fault(&flags(&["linger=1s"])),
        "unknown setting linger (--set): did you mean delivery.linger?"
    );
    assert_eq!(
        fault(&environment(&[("COURIER__DATABASE_URL", "sqlite://x")])),
        "unknown setting database_url (environment variable COURIER__DATABASE_URL): \
         did you mean database.url?"
    );
    assert_eq!(
        fault(&environment(&[("COURIER__RATE_LIMIT_DATABASE_URL", "x")])),
        "unknown setting rate_limit_database_url (environment variable \
         COURIER__RATE_LIMIT_DATABASE_URL): did you mean rate_limit.database_url?"
    );
    assert_eq!(
        fault(&flags(&["colour=red"])),
        "unknown setting colour (--set): `contact-courier config` shows all settings; remove this one"
    );
    assert!(fault(&file("[extras]")).contains("unknown section [extras]"));
    assert!(fault(&file("platform = 5")).contains("platform is a section and no setting"));
}

#[test]
fn an_ill_typed_value_is_shown_with_its_place_and_what_to_write() {
    assert_eq!(
        fault(&environment(&[("COURIER__DELIVERY__LINGER", "soon")])),
        "delivery.linger = \"soon\" (environment variable COURIER__DELIVERY__LINGER): write a \
         duration such as 500ms, 30s or 72h, of at most 366 days, in a file within quotes"
    );
    assert_eq!(
        fault(&flags(&["delivery.suffix=mine"])),
        "delivery.suffix = \"mine\" (--set): write one of: platform, courier"
    );
    for (text, shown) in [
        (
            "[delivery]\nbatch_size = 99.5",
            "delivery.batch_size = 99.5",
        ),
        ("[delivery]\nbatch_size = -1", "delivery.batch_size = -1"),
        (
            "[delivery]\nbatch_size = \"9\"",
            "delivery.batch_size = \"9\"",
        ),
        ("[delivery]\nlinger = 30", "delivery.linger = 30"),
        (
            "[delivery]\nlinger = \"400days\"",
            "delivery.linger = \"400days\"",
        ),
        ("[database]\nauto_migrate = 1", "database.auto_migrate = 1"),
        (
            "[platform]\nlane_codes = [\"a\"]",
            "platform.lane_codes = [\"a\"]",
        ),
        ("[admin]\nlisten = \"9464\"", "admin.listen = \"9464\""),
        ("[platform.timeout]\na = 1", "platform.timeout = a table"),
    ] {
        let said = fault(&file(text));
        assert!(
            said.starts_with(&format!("{shown} (file /x/courier.toml): write ")),
            "{said}"
        );
    }
}

#[test]
fn a_section_that_is_given_a_value_is_told_as_such() {
    let said = fault(&file("delivery = 7"));
    let rule = "delivery is a section and no setting (file /x/courier.toml): set one of its keys, \
                such as delivery.";
    assert!(said.starts_with(rule), "{said}");
    let said = fault(&flags(&["platform=hush"]));
    assert!(!said.contains("hush"), "{said}");
}

#[test]
fn an_address_that_is_none_is_told_how_one_of_its_kind_is_written() {
    for (key, example) in [
        ("traces.endpoint", "http://127.0.0.1:4318"),
        ("platform.base_url", "https://ai.api.example.com"),
    ] {
        let said = fault(&flags(&[&format!("{key}=foo")]));
        assert!(said.contains(example), "{said}");
    }
}

#[test]
fn a_value_out_of_its_range_is_shown_with_the_rule() {
    for (flag, rule) in [
        ("delivery.batch_size=0", "must be 1 to 100"),
        ("delivery.batch_size=101", "must be 1 to 100"),
        ("delivery.notice_interval=0s", "must be at least 1ms"),
        ("delivery.poll_interval=0s", "must be more than 0s"),
        ("delivery.max_in_flight_per_lane=0", "must be 1 to 10000"),
        (
            "delivery.max_in_flight_per_lane=10001",
            "must be 1 to 10000",
        ),
        ("delivery.max_in_flight=0", "must be 1 to 10000"),
        ("delivery.max_in_flight=10001", "must be 1 to 10000"),
        ("delivery.lease=999ms", "must be at least 1s"),
        ("database.max_connections=1", "must be at least 2"),
        (
            "database.url=oracle://db/x",
            "write sqlite://…, postgres://… or mysql://…",
        ),
        ("platform.connect_timeout=0s", "must be more than 0s"),
        ("platform.timeout=0s", "must be more than 0s"),
        (
            "platform.base_url=ftp://x",
            "must begin with https:// or http://",
        ),
        (
            "platform.base_url=https://x/?a=b",
            "must not hold a '?' or '#'",
        ),
        ("platform.token=a b", "without spaces"),
        ("retry.multiplier=0.9", "must be at least 1"),
        ("retry.multiplier=NaN", "must be at least 1"),
        ("retry.jitter=1.1", "must be 0 to 1"),
        ("retention.older_than=59m", "must be at least 1h, or empty"),
        (
            "retention.redact_after=59m",
            "must be at least 1h, or empty",
        ),
        ("retry.max_interval=0s", "must be more than 0s"),
        ("retry.initial_interval=0s", "must be more than 0s"),
        (
            "rate_limit.requests_per_second=0",
            "must be 0.001 to 1000000",
        ),
        ("rate_limit.per_user=-1", "must be 0.001 to 1000000"),
        ("rate_limit.per_lane=inf", "must be 0.001 to 1000000"),
        ("rate_limit.burst=0", "must be at least 1"),
        ("rate_limit.scope=galaxy", "instance, cluster"),
        ("log.level=inof", "write off, error, warn"),
        ("log.level=a=b=c", "write off, error, warn"),
    ] {
        let said = fault(&flags(&[flag]));
        let key = flag.split('=').next().unwrap();
        assert!(said.starts_with(&format!("{key} = ")), "{said}");
        assert!(said.contains(" (--set): ") && said.contains(rule), "{said}");
    }
    settings(&flags(&["platform.base_url=http://127.0.0.1:8080/prefix/"]));
    settings(&flags(&["log.level=info,contact_courier=debug"]));
}

#[test]
fn an_address_of_sqlite_names_a_file_that_stays() {
    for (url, rule) in [
        ("sqlite://", "names no file"),
        ("sqlite:", "names no file"),
        ("sqlite:////?mode=rwc", "names no file"),
        ("sqlite::memory:", "in memory would be lost"),
        ("sqlite://:memory:", "in memory would be lost"),
        ("sqlite://%3Amemory%3A", "in memory would be lost"),
        ("sqlite://x.db?mode=memory", "in memory would be lost"),
    ] {
        let said = fault(&flags(&[&format!("database.url={url}")]));
        assert!(said.starts_with("database.url = "), "{said}");
        assert!(said.contains(" (--set): ") && said.contains(rule), "{said}");
    }
}

#[test]
fn a_default_gives_way_to_what_was_set_and_two_that_were_set_contradict() {
    // Each pair: a value less than the other's default, and one that is greater.
    for (less, more, rule) in [
        (
            ("platform.connect_timeout", "40s"),
            ("platform.timeout", "2s"),
            "must not be longer than platform.timeout",
        ),
        (
            ("delivery.max_in_flight_per_lane", "16"),
            ("delivery.max_in_flight", "1"),
            "not less than delivery.max_in_flight_per_lane",
        ),
        (
            ("retry.initial_interval", "6m"),
            ("retry.max_interval", "100ms"),
            "not longer than retry.max_interval",
        ),
    ] {
        let flag = |(key, value): (&str, &str)| format!("{key}={value}");
        for set in [less, more] {
            let settings = settings(&flags(&[&flag(set)]));
            let table = toml::Table::try_from(&settings).unwrap();
            for key in [less.0, more.0] {
                let (section, name) = key.split_once('.').unwrap();
                let value = &table[section][name];
                let shown = value.as_str().map_or(value.to_string(), str::to_owned);
                assert_eq!(shown, set.1, "{key} with {set:?}");
            }
        }
        let said = fault(&flags(&[&flag(less), &flag(more)]));
        assert!(said.contains(" (--set): ") && said.contains(rule), "{said}");
    }
}

#[test]
fn a_length_out_of_its_range_is_shown_with_the_rule() {
    for (flag, rule) in [
        ("delivery.max_contact_bytes=1023", "must be 1024 to 4194304"),
        (
            "delivery.max_contact_bytes=4194305",
            "must be 1024 to 4194304",
        ),
        ("delivery.max_request_bytes=1023", "must be 1024 to 8388608"),
        (
            "delivery.max_request_bytes=8388609",
            "must be 1024 to 8388608",
        ),
    ] {
        let said = fault(&flags(&[flag]));
        let key = flag.split('=').next().unwrap();
        assert!(said.starts_with(&format!("{key} = ")), "{said}");
        assert!(said.contains(" (--set): ") && said.contains(rule), "{said}");
    }
    settings(&flags(&["delivery.max_contact_bytes=1024"]));
    settings(&flags(&["delivery.max_request_bytes=8388608"]));
}

#[test]
fn all_faults_are_told_at_once() {
    let layers = flags(&["delivery.batch_size=0", "retry.jitter=2"]);
    assert_eq!(Settings::from_layers(&layers).unwrap_err().faults.len(), 2);
    let layers = flags(&["delivery.batch=0", "retry.jitter=x", "nonsense"]);
    assert_eq!(Settings::from_layers(&layers).unwrap_err().faults.len(), 3);
}

#[test]
fn token_and_token_file_exclude_each_other() {
    let said = fault(&flags(&["platform.token=abc", "platform.token_file=/x"]));
    assert!(
        said.contains("either platform.token or platform.token_file"),
        "{said}"
    );
    assert!(!said.contains("abc"));
}

#[test]
fn a_secret_is_never_shown() {
    let settings = settings(&flags(&[
        "platform.token=hunter2",
        "database.url=postgres://me:hunter2@db/x?password=hunter2",
    ]));
    let printed = format!(
        "{settings:?} {} {}",
        toml::to_string(&settings).unwrap(),
        serde_json::to_string(&settings).unwrap()
    );
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(printed.contains("token = \"***\""));
    let mut settings = Settings::default();
    let in_the_place_of_its_path = Some("hunter2".into());
    settings.database.password_file = in_the_place_of_its_path.clone();
    settings.platform.token_file = in_the_place_of_its_path.clone();
    settings.rate_limit.database_password_file = in_the_place_of_its_path;
    let printed = format!("{settings:?}");
    assert!(!printed.contains("hunter2"), "{printed}");
    for wrong in [
        file("[platform]\ntoken = [\"hunter2\"]"),
        file("[platform]\ntoken = \"hunter2"),
        flags(&["platform.token=hunter2 ", "platform.token=hunter 2"]),
        flags(&["platform.base_url=https://me:hunter2@x"]),
        flags(&["platform.base_url=me:hunter2@x:y"]),
        flags(&["traces.endpoint=https://me:hunter2@x"]),
        flags(&["traces.endpoint=https://x/?key=hunter2"]),
        flags(&["traces.endpoint=me:hunter2@x:y"]),
        flags(&["database.url=oracle://me:hunter2@x"]),
        flags(&["database.url=postgres://me:hunter2@db/x?sslpassword=hunter2"]),
        flags(&["database.url=postgres://me:hunter2"]),
        flags(&["database.url=host=db password=hunter2"]),
        flags(&["database.url:postgres://me:hunter2@db/x"]),
        flags(&["database.url:postgres://me:hunter2@db/x?sslmode=require"]),
        flags(&["database.url postgres://me:hunter2@db/x"]),
        file("[database]\nurl = [\"postgres://me:hunter2@db/x\"]"),
        file("[database]\nurl = { password = \"hunter2\" }"),
        file("[database]\n\"postgres://me:hunter2@db/x\" = 1"),
        file("[\"postgres://me:hunter2@db/x\"]"),
        file("database = \"postgres://me:hunter2@db/x\""),
        environment(&[("COURIER_DATABASE_URL", "postgres://me:hunter2@db/x")]),
    ] {
        let error = Settings::from_layers(&wrong).unwrap_err();
        let printed = format!("{error} {error:?}");
        assert!(!printed.contains("hunter"), "{printed}");
    }
}

#[test]
fn a_file_that_is_no_toml_is_told_with_the_line() {
    let said = fault(&file("[platform]\ntimeout = \"1s\"\n[delivery\n"));
    assert!(
        said.contains("/x/courier.toml") && said.contains("line 3"),
        "{said}"
    );
}

#[test]
fn the_request_defaults_follow_the_settings() {
    let settings = settings(&flags(&[
        "request.ignore_crm=true",
        "delivery.suffix=courier",
    ]));
    let defaults = settings.request_defaults();
    assert!(defaults.ignore_crm && defaults.skip_error && defaults.courier_appends_suffix);
    assert_eq!(
        Settings::default().request_defaults(),
        RequestDefaults::default()
    );
}

#[test]
fn nothing_is_traced_unless_a_collector_is_named_and_then_every_batch_is() {
    assert_eq!(Settings::default().traces.endpoint, None);
    let set = |flag| Settings::from_layers(&flags(&[flag])).unwrap().traces;
    let traces = set("traces.endpoint=http://127.0.0.1:4318");
    assert_eq!(traces.endpoint.unwrap().as_str(), "http://127.0.0.1:4318/");
    assert!((traces.ratio - 1.0).abs() < f64::EPSILON);
    assert_eq!(set("traces.endpoint=").endpoint, None);
}

#[test]
fn a_collector_has_an_address_of_the_web_and_the_part_traced_is_no_more_than_all() {
    for (flag, rule) in [
        (
            "traces.endpoint=grpc://127.0.0.1:4317",
            "must begin with https:// or http://",
        ),
        (
            "traces.endpoint=http://x/#hush",
            "must not hold a '?' or '#'",
        ),
        (
            "traces.endpoint=http://me:pw@x",
            "must not hold a user or password",
        ),
        ("traces.ratio=1.1", "must be 0 to 1"),
        ("traces.ratio=NaN", "must be 0 to 1"),
    ] {
        let said = fault(&flags(&[flag]));
        assert!(said.contains(rule) && !said.contains("me:pw"), "{said}");
        assert!(!said.contains("hush"), "{said}");
    }
}

#[test]
fn nothing_is_deleted_unless_it_is_asked_for() {
    assert_eq!(Settings::default().retention.older_than, None);
    let set = |flag| Settings::from_layers(&flags(&[flag])).unwrap().retention;
    let days = set("retention.older_than=90d").older_than;
    assert_eq!(days, Some(Duration::from_hours(90 * 24)));
    assert_eq!(set("retention.older_than=").older_than, None);
    assert_eq!(Settings::default().retention.redact_after, None);
    let day = set("retention.redact_after=1d").redact_after;
    assert_eq!(day, Some(Duration::from_hours(24)));
}

#[test]
fn the_page_for_operators_lists_the_live_keys_and_no_others() {
    let page = include_str!("../../docs/operating.md");
    let section = page.split("\n## ").find(|part| part.contains("SIGHUP\n"));
    let listed = section
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("- "));
    let listed: Vec<&str> = listed
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect();
    let live: Vec<&str> = keys().filter(|key| key.live).map(|key| key.name).collect();
    assert_eq!(listed, live);
}

#[test]
fn an_address_with_a_character_that_wants_escaping_is_one_line_without_the_password() {
    for address in [
        "postgres://me:sec/ret@db/x",
        "mysql://me:12#ret@db/x",
        "mariadb://me:sec?ret@a,b/x",
        "postgres://me:secret@a:1,b:ret/x",
    ] {
        let layers = environment(&[("COURIER__DATABASE__URL", address)]);
        let said = fault(&layers);
        assert!(said.starts_with("database.url = "), "{said}");
        assert!(said.contains("%2F for /"), "{said}");
        assert!(!said.contains("sec"), "{said}");
    }
}

#[test]
fn several_servers_are_shown_and_their_password_is_not() {
    let address = "postgres://me:secret@a:5432,b:5433/shop";
    let layers = environment(&[("COURIER__DATABASE__URL", address)]);
    let shown = settings(&layers).database.url.to_string();
    assert_eq!(shown, "postgres://me:***@a:5432,b:5433/shop");
}

#[test]
fn a_variable_with_one_underscore_too_few_is_refused_with_the_right_name() {
    for (variable, right) in [
        ("COURIER_DATABASE_URL", "COURIER__DATABASE__URL"),
        ("COURIER_DATABSE_URL", "COURIER__DATABASE__URL"),
        ("COURIER_PLATFORM_TOKEN", "COURIER__PLATFORM__TOKEN"),
        ("COURIER_TOKEN_FILE", "COURIER__PLATFORM__TOKEN_FILE"),
        (
            "COURIER_RATE_LIMIT_PER_USER",
            "COURIER__RATE_LIMIT__PER_USER",
        ),
        ("COURIER_LOG_COLOUR", "COURIER__LOG__"),
    ] {
        let said = fault(&environment(&[(variable, "hush")]));
        assert!(
            said.contains(variable) && said.contains(right) && !said.contains("hush"),
            "{said}"
        );
    }
    settings(&environment(&[
        ("COURIER_TEST_SEED", "1"),
        ("COURIER_VERSION", "1"),
        ("COURIER_PORT", "tcp://10.0.0.1:80"),
        ("COURIER_SERVICE_HOST", "10.0.0.1"),
        ("COURIER_ADMIN_SERVICE_PORT_METRICS", "9464"),
        ("COURIER_ADMIN_PORT_9464_TCP_ADDR", "10.0.0.1"),
        ("OTHER_DATABASE_URL", "x"),
    ]));
}

#[test]
fn a_database_elsewhere_is_verified_unless_the_settings_say_otherwise() {
    let url = |url: &str| format!("database.url={url}");
    for (tls, fine) in [
        ("", "postgres://db/x"),
        ("", "postgres://db/x?sslmode=verify-full"),
        ("", "postgres://localhost/x?sslmode=require"),
        ("", "mysql://db/x?ssl-mode=VERIFY_IDENTITY&ssl-ca=/ca.pem"),
        ("off", "mysql://db/x"),
        ("require", "mysql://a,b/x?ssl-mode=REQUIRED"),
    ] {
        settings(&flags(&[&url(fine), &format!("database.tls={tls}")]));
    }
    for (tls, wrong, words) in [
        (
            "",
            "postgres://me:hush@db/x?sslmode=require",
            "database.tls = \"require\"",
        ),
        (
            "",
            "mysql://localhost,db/x?ssl-mode=DISABLED",
            "database.tls = \"off\"",
        ),
        (
            "verify",
            "postgres://db/x?sslmode=require",
            "remove the parameter",
        ),
        (
            "off",
            "mysql://db/x?ssl-mode=REQUIRED",
            "remove the parameter",
        ),
        ("require", "mysql://db/x?ssl-ca=/ca.pem", "none is verified"),
        (
            "",
            "postgres://me:hush@db/x?ssl_mode=verify-full",
            "write sslmode",
        ),
        ("", "mysql://db/x?useSSL=true", "write ssl-mode"),
        ("", "sqlite://x.db?mod=ro", "write mode"),
        ("", "sqlite://x.db?sslcrt=/c", "these have one: mode"),
    ] {
        let said = fault(&flags(&[&url(wrong), &format!("database.tls={tls}")]));
        assert!(
            said.contains("database.url = ") && said.contains(words),
            "{said}"
        );
        assert!(!said.contains("hush"), "{said}");
    }
    let said = fault(&flags(&["database.tls=full"]));
    assert!(said.contains("off, prefer, require, verify"), "{said}");
}

#[test]
fn certificates_are_named_once_and_read_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let shown = file.display().to_string();
    for url in [
        format!("postgres://db/x?sslrootcert={shown}"),
        format!("mysql://db/x?ssl-ca={shown}"),
    ] {
        let url = format!("database.url={url}");
        let said = fault(&flags(&[&url, "database.ca_file=/other.pem"]));
        assert!(said.contains("keep one of them"), "{said}");
        let named = settings(&flags(&[&url]));
        let said = named.database.address().unwrap_err().to_string();
        assert!(
            said.contains(&shown) && said.contains("cannot be read"),
            "{said}"
        );
    }
    let url = format!("database.url=postgres://db/x?sslcert={shown}&sslkey={shown}");
    let named = settings(&flags(&[&url]));
    let said = named.database.address().unwrap_err().to_string();
    assert!(said.starts_with("database.url: sslcert = "), "{said}");
}

#[test]
fn a_proxy_whose_user_may_be_a_token_makes_a_secret_of_the_file() {
    for (proxy, is_secret) in [
        ("http://t0ken@proxy:1", true),
        ("http://me:hush@proxy:1", true),
        ("http://:hush@proxy:1", true),
        ("http://proxy:1", false),
        ("environment", false),
    ] {
        for section in ["platform", "traces"] {
            let layers = file(&format!("[{section}]\nproxy = \"{proxy}\""));
            let told = settings(&layers).has_secret_files();
            assert_eq!(told, is_secret, "{section}: {proxy}");
        }
    }
}

//! The database: whether it answers, keeps confirmed writes, is migrated and takes writes, and the
//! state of its outbox.

use std::time::{Duration, SystemTime};

use super::check::Check;
use super::limits::Rates;
use super::writing;
use crate::address::DatabaseKind;
use crate::app::{self, Database};
use crate::cli::headline::{headline, waiting_on};
use crate::cli::span::{contacts, count, span};
use crate::outbox::{
    Conclusion, HeldLane, Outbox, OutboxError, Overview, PAUSED, Security, ServerReport,
    ServerSetting, Trial,
};
use crate::settings::Settings;
use crate::visible::one_line;

/// The greatest harmless difference of two clocks, in seconds. Beyond it, people read logs wrongly,
/// and certificates fail.
const CLOCKS_APART: f64 = 30.0;

/// The longest that due contacts wait where all is well.
const LONG: Duration = Duration::from_mins(15);

/// The consequence when the database that keeps the rates takes no claims.
const WITHOUT_RATES: &str =
    "without it a courier that starts waits, and one that runs sends at its part of the rates";

/// Runs all checks; also returns the rates of the couriers that live.
pub(super) async fn checks(settings: &Settings) -> (Vec<Check>, Rates) {
    let database = match app::find_database(settings).await {
        Ok(database) => database,
        Err(error) => {
            let said = format!("{error:#}");
            // A file that is not there says itself what to do.
            if let Some((found, todo)) = said.split_once("; ")
                && !error.is::<OutboxError>()
            {
                return (
                    vec![Check::failed("database", found, todo)],
                    Rates::default(),
                );
            }
            let error = error.downcast_ref();
            let todo = error.and_then(|error| OutboxError::apart(error).1);
            let found = todo
                .and_then(|todo| said.strip_suffix(todo))
                .unwrap_or(&said);
            let todo = todo.unwrap_or(unopened(settings.database.url().kind(), error));
            return (
                vec![Check::failed(
                    "database",
                    found.trim_end_matches("; "),
                    todo,
                )],
                Rates::default(),
            );
        }
    };
    let (mut checks, commits_wait) = server(&database, settings.database.max_connections).await;
    checks.extend(unfitness(&*database.outbox).await);
    match database.outbox.check_schema().await {
        Ok(()) => {
            checks.push(Check::ok("migrations", "the schema is this program's"));
            let kind = settings.database.url().kind();
            let (outbox, rates) = outbox(&database, kind, commits_wait).await;
            checks.extend(outbox);
            (checks, rates)
        }
        Err(error) => {
            checks.push(unmigrated(&error));
            (checks, Rates::default())
        }
    }
}

/// Says what helps against a database that cannot be opened.
fn unopened(kind: Option<DatabaseKind>, error: Option<&OutboxError>) -> &'static str {
    match (kind, error) {
        (Some(DatabaseKind::Sqlite), Some(OutboxError::Failed(_))) => {
            "correct the address if it names a file of another kind; a damaged database comes back \
             from a backup"
        }
        (Some(DatabaseKind::Sqlite), _) => writing::FILE,
        (_, Some(OutboxError::Untrusted(_))) => "docs/security.md tells how a way is secured",
        (_, Some(OutboxError::Unavailable(_))) => {
            "see the database's log; if it allows no more connections, allow this user more, or set \
             database.max_connections of its couriers lower"
        }
        _ => "start it, or correct its address, user or password",
    }
}

/// Says what helps against a schema that is not this program's. `run` migrates only where
/// `contact-courier migrate` would.
fn unmigrated(error: &OutboxError) -> Check {
    let said = error.to_string();
    match (error, said.rsplit_once(": ")) {
        (OutboxError::Schema(_), _) if said.contains("run `contact-courier migrate`") => {
            let todo = "`run` migrates by itself unless database.auto_migrate is false";
            Check::failed("migrations", said, todo)
        }
        (OutboxError::Schema(_), Some((found, todo))) => Check::failed("migrations", found, todo),
        _ => Check::failed("migrations", said, "see the database's log"),
    }
}

/// Checks the database that keeps the rates, if it is another one.
pub(super) async fn rates(settings: &Settings) -> Vec<Check> {
    let Some(of_rates) = settings.rates_database() else {
        return Vec::new();
    };
    let url = of_rates.url().to_string();
    let check = match app::find_rates(&of_rates).await {
        Err(error) => Check::failed("rates", format!("{error:#}"), WITHOUT_RATES),
        Ok((sharers, trial)) => kept(&trial, &url, sharers),
    };
    vec![check]
}

/// Judges the database that keeps the rates by a trial.
fn kept(trial: &Trial, url: &str, sharers: usize) -> Check {
    let rights = "grant this user there what the README names under Grants";
    match trial {
        Trial::Failed(error) => {
            let todo = match error {
                OutboxError::Denied(_) => rights,
                _ => WITHOUT_RATES,
            };
            let found = format!("{url} takes no claim of a rate: {error}");
            Check::failed("rates", found, todo)
        }
        Trial::OnlyReads if sharers == 0 => {
            let found = format!("this user may only read {url}, which is not enough to `run`");
            Check::warning("rates", found, rights)
        }
        // A courier works, so a user who only reads just looks.
        Trial::OnlyReads | Trial::Passed => {
            Check::ok("rates", format!("kept in {url}; {}", shared_by(sharers)))
        }
    }
}

fn shared_by(sharers: usize) -> String {
    match sharers {
        0 => "no courier is registered there".into(),
        1 => "1 courier is registered there".into(),
        n => format!("{n} couriers are registered there"),
    }
}

/// Checks the server; also returns whether each commit waits for a standby that is not there.
async fn server(database: &Database, max_connections: u32) -> (Vec<Check>, bool) {
    let before = host_clock();
    let server = match database.operations.server().await {
        Ok(server) => server,
        Err(error) => {
            let todo = "see the database's own log";
            let failed = Check::failed("database", error.to_string(), todo);
            return (vec![failed], false);
        }
    };
    let host = before.midpoint(host_clock());
    let mut checks = vec![version(&server, database.outbox.place())];
    checks.extend(server.security.as_ref().map(encryption));
    checks.extend(durability(&server));
    checks.extend(server.sql_mode.as_ref().and_then(not_strict));
    checks.extend(server.cluster.map(cluster));
    let allowed = server.connections;
    checks.extend(allowed.and_then(|allowed| fewer_connections(allowed, max_connections)));
    checks.push(clock(host - server.clock));
    (checks, server.commits_wait)
}

/// Returns a failed check if the courier could not do its work on this database.
async fn unfitness(outbox: &dyn Outbox) -> Option<Check> {
    match outbox.check_fitness().await {
        Ok(()) => None,
        Err(OutboxError::Unfit { found, todo }) => Some(Check::failed("fitness", found, todo)),
        Err(error) => Some(Check::failed(
            "fitness",
            error.to_string(),
            "see the database's log",
        )),
    }
}

/// Names the server's version, and its place if the address names several.
fn version(server: &ServerReport, place: Option<String>) -> Check {
    let place = place.map_or_else(String::new, |place| format!(" at {place}"));
    match server.too_old {
        None => Check::ok("database", format!("{} answers{place}", server.product)),
        Some(wanted) => Check::failed(
            "database",
            format!("{} is too old", server.product),
            format!("install {wanted}"),
        ),
    }
}

/// Checks how the way to the server is secured.
fn encryption(security: &Security) -> Check {
    let found = security.to_string();
    if security.is_weak() {
        let todo = "others on the way may read the password and the contacts, or pretend to be the \
                    server; set database.tls = \"verify\", and database.ca_file if need be";
        return Check::warning("encryption", found, todo);
    }
    Check::ok("encryption", found)
}

fn durability(server: &ServerReport) -> Vec<Check> {
    let risks: Vec<Check> = server
        .durability
        .iter()
        .filter_map(|setting| {
            let found = format!("{} is {}", setting.name, setting.value);
            Some(Check::warning("durability", found, setting.risk?))
        })
        .collect();
    if !risks.is_empty() {
        return risks;
    }
    let all: Vec<String> = server
        .durability
        .iter()
        .map(|setting| format!("{} is {}", setting.name, setting.value))
        .collect();
    vec![Check::ok("durability", all.join(", "))]
}

/// Warns if the server lets an app's session change values that it cannot store.
fn not_strict(mode: &ServerSetting) -> Option<Check> {
    let value = if mode.value.is_empty() {
        "empty"
    } else {
        &mode.value
    };
    let found = format!("{} is {value}", mode.name);
    Some(Check::warning("sessions", found, mode.risk?))
}

/// Reports a cluster, whose nodes may all take writes.
fn cluster(kind: &str) -> Check {
    Check::ok(
        "cluster",
        format!(
            "a node of {kind}: leases are fenced by writes, and reads wait for what other nodes wrote"
        ),
    )
}

/// Warns if the server allows its user fewer connections than the courier asks for.
fn fewer_connections(allowed: i64, max_connections: u32) -> Option<Check> {
    (allowed < i64::from(max_connections)).then(|| {
        Check::warning(
            "connections",
            format!("the server allows this user {allowed}, fewer than {max_connections}"),
            "the courier goes on with those that it gets; allow the user more, or set \
             database.max_connections lower, by one at least, so that commands find one, too",
        )
    })
}

/// Returns the host's clock in seconds since 1970.
fn host_clock() -> f64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "it is compared with the database's for a person, and nothing goes by it"
    )]
    let now = SystemTime::now();
    now.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

fn clock(ahead: f64) -> Check {
    let apart = Duration::try_from_secs_f64(ahead.abs()).unwrap_or_default();
    if ahead.abs() < CLOCKS_APART {
        return Check::ok("clock", "this host and the database agree");
    }
    let which = if ahead > 0.0 { "ahead of" } else { "behind" };
    Check::warning(
        "clock",
        format!("this host is {} {which} the database", span(apart)),
        "couriers go by the database's, but logs and certificates by this host's: set both by NTP",
    )
}

async fn outbox(
    database: &Database,
    kind: Option<DatabaseKind>,
    commits_wait: bool,
) -> (Vec<Check>, Rates) {
    let operations = &database.operations;
    let trial = operations.try_writing().await;
    let asked = async { Ok((operations.overview().await?, operations.held(1000).await?)) };
    let asked: Result<_, crate::outbox::OutboxError> = asked.await;
    match asked {
        Ok((overview, held)) => {
            let couriers = overview.instances.iter().filter(|i| i.alive).count();
            let mut checks = vec![writing::check(&trial, kind, couriers)];
            let in_vain = commits_wait || writing::is_in_vain(&trial);
            checks.push(who_works(&overview, couriers, in_vain));
            checks.extend(health(&overview, &held));
            (checks, Rates::of(&overview))
        }
        Err(error) => {
            let todo = "the courier needs the rights that the README names";
            let checks = vec![
                writing::check(&trial, kind, 0),
                Check::failed("outbox", error.to_string(), todo),
            ];
            (checks, Rates::default())
        }
    }
}

/// Checks whether a courier works. If no heartbeat can be written, silence says nothing.
fn who_works(overview: &Overview, couriers: usize, in_vain: bool) -> Check {
    let pending = &overview.pending;
    match couriers {
        0 if in_vain => Check::warning(
            "couriers",
            "not known: one that runs cannot write its heartbeat here",
            "`contact-courier status --alive` on the courier's host tells; a standby's primary does, \
             too",
        ),
        0 if pending.total() > 0 => Check::warning(
            "couriers",
            format!("none runs, and {}", waiting_on(pending.total())),
            "start one with `contact-courier run`",
        ),
        0 => Check::ok("couriers", "none runs, and nothing waits"),
        1 => Check::ok("couriers", "1 is alive"),
        n => Check::ok("couriers", format!("{n} are alive")),
    }
}

/// Reports a pause or gate that keeps back everything, or everything of a user, in the words of the
/// headline.
fn stop(conclusion: &Conclusion) -> Option<Check> {
    let todo = match conclusion {
        Conclusion::Stopped { gate, .. } if gate.reason == PAUSED => {
            "`contact-courier resume --all` ends the pause"
        }
        Conclusion::Stopped { .. } => {
            "`contact-courier resume --all` tries at once whether that has gone"
        }
        Conclusion::Partly { users, .. } if *users > 0 => {
            "`contact-courier status` shows which, and why"
        }
        _ => return None,
    };
    Some(Check::warning("sending", headline(conclusion), todo))
}

fn health(overview: &Overview, held: &[HeldLane]) -> Vec<Check> {
    let pending = &overview.pending;
    let mut checks: Vec<Check> = stop(&overview.conclusion()).into_iter().collect();
    let oldest = overview.oldest_pending.unwrap_or_default();
    if oldest > LONG {
        checks.push(Check::warning(
            "outbox",
            format!("the oldest contact that is due waits for {}", span(oldest)),
            "`contact-courier status` shows where",
        ));
    } else {
        checks.push(Check::ok(
            "outbox",
            format!("{} pending, none due for long", contacts(pending.total())),
        ));
    }
    if let Some(longest) = held.first() {
        let n = u64::try_from(held.len()).unwrap_or(u64::MAX);
        let found = format!(
            "{} on hold, {}/{} for {}: {}",
            count(n, "lane", "lanes"),
            longest.user_id,
            longest.task_id,
            span(longest.held_for),
            longest.reason
        );
        let todo = match longest.message.as_str() {
            "" => "`contact-courier status` shows all of them".to_owned(),
            message => one_line(message),
        };
        checks.push(Check::warning("lanes", found, todo));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{Distance, Tls};
    use crate::outbox::{ClosedGate, InstanceReport, OrderScope, Pause, PendingCounts, Standing};

    fn lines(checks: &[Check]) -> Vec<String> {
        checks.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_setting_that_may_lose_something_is_a_warning_of_its_own() {
        let setting = |name, value: &str, risk| ServerSetting {
            name,
            value: value.into(),
            risk,
        };
        let server = ServerReport {
            product: "PostgreSQL 9.6".into(),
            too_old: Some("PostgreSQL 12 or newer"),
            durability: vec![
                setting("fsync", "off", Some("set it to on")),
                setting("full_page_writes", "on", None),
            ],
            commits_wait: false,
            sql_mode: Some(setting("sql_mode", "", Some("add STRICT_TRANS_TABLES"))),
            cluster: None,
            connections: None,
            security: None,
            clock: 0.0,
        };
        assert_eq!(
            version(&server, None).to_string(),
            "FAILED   database    PostgreSQL 9.6 is too old; install PostgreSQL 12 or newer"
        );
        assert_eq!(
            lines(&durability(&server)),
            ["warning  durability  fsync is off; set it to on"]
        );
        let sessions = server.sql_mode.as_ref().and_then(not_strict);
        assert_eq!(
            sessions.unwrap().to_string(),
            "warning  sessions    sql_mode is empty; add STRICT_TRANS_TABLES"
        );
    }

    #[test]
    fn a_way_that_others_can_read_is_a_warning_unless_it_is_on_this_host() {
        for (tls, distance, protocol, line) in [
            (
                Tls::Verify,
                Distance::Far,
                Some("TLSv1.3"),
                "ok       encryption  encrypted (TLSv1.3), the server's certificate is verified",
            ),
            (
                Tls::Prefer,
                Distance::Loopback,
                Some(""),
                "ok       encryption  not encrypted, on this host",
            ),
            (
                Tls::Prefer,
                Distance::Far,
                Some(""),
                "warning  encryption  not encrypted; others on the way",
            ),
            (
                Tls::Require,
                Distance::Far,
                None,
                "warning  encryption  encrypted, the server's certificate is not verified; others",
            ),
            (
                Tls::Prefer,
                Distance::Socket,
                None,
                "ok       encryption  the server does not say whether it is encrypted, over a socket",
            ),
        ] {
            let protocol = protocol.map(str::to_owned);
            let said = encryption(&Security {
                tls,
                distance,
                protocol,
            });
            assert!(said.to_string().starts_with(line), "{said}");
        }
    }

    #[test]
    fn a_file_that_is_no_database_is_not_for_want_of_rights() {
        let sqlite = Some(DatabaseKind::Sqlite);
        let other = OutboxError::Failed("file is not a database".into());
        assert!(unopened(sqlite, Some(&other)).contains("another kind"));
        let shut = OutboxError::Unavailable("unable to open database file".into());
        assert_eq!(unopened(sqlite, Some(&shut)), writing::FILE);
    }

    #[test]
    fn what_helps_against_another_schema_is_told_by_its_kind() {
        let told = |said: &str| unmigrated(&OutboxError::Schema(said.into())).to_string();
        assert_eq!(
            told(
                "this program is older than the database, which has migration 9999: install the \
                 newer contact-courier"
            ),
            "FAILED   migrations  this program is older than the database, which has migration \
             9999; install the newer contact-courier"
        );
        assert_eq!(
            told("the database has no outbox tables yet: run `contact-courier migrate`"),
            "FAILED   migrations  the database has no outbox tables yet: run `contact-courier \
             migrate`; `run` migrates by itself unless database.auto_migrate is false"
        );
        let lost = OutboxError::Lost("gone".into());
        assert_eq!(
            unmigrated(&lost).to_string(),
            "FAILED   migrations  the database does not answer: gone; see the database's log"
        );
    }

    #[test]
    fn a_server_that_allows_fewer_connections_than_are_set_is_a_warning() {
        assert!(fewer_connections(8, 8).is_none());
        let said = fewer_connections(2, 8).unwrap().to_string();
        let line = "warning  connections the server allows this user 2, fewer than 8; the courier";
        assert!(said.starts_with(line), "{said}");
    }

    #[test]
    fn clocks_that_are_apart_are_told() {
        assert!(clock(-2.0).todo.is_none());
        let said = clock(-3_600.0).to_string();
        assert!(
            said.contains("this host is 1h 0m behind the database"),
            "{said}"
        );
    }

    #[test]
    fn an_outbox_that_does_not_move_is_told() {
        let overview = Overview {
            pending: PendingCounts {
                due: 7,
                ..PendingCounts::default()
            },
            oldest_pending: Some(Duration::from_hours(2)),
            ..Overview::default()
        };
        let held = HeldLane {
            user_id: "u".into(),
            task_id: "t".into(),
            reason: "task_running".into(),
            message: "请先暂停任务".into(),
            held_for: Duration::from_hours(1),
            ..HeldLane::default()
        };
        assert_eq!(
            who_works(&overview, 0, false).to_string(),
            "warning  couriers    none runs, and 7 contacts wait; start one with \
             `contact-courier run`",
        );
        assert_eq!(
            lines(&health(&overview, &[held])),
            [
                "warning  outbox      the oldest contact that is due waits for 2h 0m; \
                 `contact-courier status` shows where",
                "warning  lanes       1 lane on hold, u/t for 1h 0m: task_running; 请先暂停任务",
            ]
        );
        assert_eq!(
            lines(&health(&Overview::default(), &[])),
            ["ok       outbox      0 contacts pending, none due for long"]
        );
    }

    #[test]
    fn the_message_of_a_lane_is_whole_up_to_its_advice() {
        let advice = "pause the task at the platform, or wait until it has ended";
        let held = HeldLane {
            reason: "task_running".into(),
            message: format!("{}\n{advice}", "任务正在拨打中,".repeat(20)),
            ..HeldLane::default()
        };
        let told = lines(&health(&Overview::default(), &[held])).remove(1);
        assert!(told.ends_with(&format!("拨打中, {advice}")), "{told}");
    }

    #[test]
    fn what_keeps_everything_back_is_told_before_the_outbox() {
        let first = |pauses, gates| {
            let courier = InstanceReport {
                alive: true,
                standing: Some(Standing {
                    gates,
                    ..Standing::default()
                }),
                ..InstanceReport::default()
            };
            let overview = Overview {
                instances: vec![courier],
                pauses,
                ..Overview::default()
            };
            lines(&health(&overview, &[])).swap_remove(0)
        };
        let pause = |scope| Pause {
            scope,
            reason: "by anna".into(),
            paused_seconds: 60.0,
            ends_in_seconds: None,
        };
        assert_eq!(
            first(vec![pause(OrderScope::All)], Vec::new()),
            "warning  sending     Nothing is sent: paused for 1m 0s by anna; it ends when somebody \
             resumes; `contact-courier resume --all` ends the pause"
        );
        assert_eq!(
            first(vec![pause(OrderScope::User("u".into()))], Vec::new()),
            "warning  sending     Nothing is sent for 1 user; `contact-courier status` shows \
             which, and why"
        );
        let gate = ClosedGate {
            reason: "unauthorized".into(),
            message: "the token was refused".into(),
            closed_seconds: 60.0,
            next_try_in_seconds: 20.0,
            ..ClosedGate::default()
        };
        assert_eq!(
            first(Vec::new(), vec![gate]),
            "warning  sending     Nothing is sent: unauthorized for 1m 0s; next try in 20s; the \
             token was refused; `contact-courier resume --all` tries at once whether that has gone"
        );
        assert!(first(Vec::new(), Vec::new()).starts_with("ok "));
    }

    #[test]
    fn that_none_runs_is_only_said_where_one_could_have_written_its_heartbeat() {
        let said =
            |couriers, in_vain| who_works(&Overview::default(), couriers, in_vain).to_string();
        assert_eq!(said(1, true), "ok       couriers    1 is alive");
        let nobody = "ok       couriers    none runs, and nothing waits";
        assert_eq!(said(0, false), nobody);
        let mut later = Overview::default();
        later.pending.deferred = 1;
        assert_eq!(
            who_works(&later, 0, false).to_string(),
            "warning  couriers    none runs, and 1 contact waits; start one with \
             `contact-courier run`"
        );
        let unknown = said(0, true);
        assert!(
            unknown.starts_with("warning  couriers    not known"),
            "{unknown}"
        );
    }
}

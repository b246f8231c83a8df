//! The composition root: the only place that names concrete parts.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use nix::unistd::{Uid, User};
use tokio::task::JoinSet;

use crate::address::DatabaseKind;
use crate::admin::{About, Subject};
use crate::courier::backoff::BackoffPolicy;
use crate::courier::lifecycle::Lifecycle;
use crate::courier::limits::RateLimits;
use crate::courier::redaction::Redaction;
use crate::courier::retention::Retention;
use crate::courier::tuning::Tuning;
use crate::courier::{Courier, CourierOptions};
pub use crate::operators::note;
use crate::operators::{self, Safety};
use crate::outbox::{
    Access, Action, Chore, MySqlOutbox, Operations, Outbox, OutboxError, PostgresOutbox, SqlOutbox,
    SqliteOutbox, Trial, WriteHealth,
};
use crate::platform::client::{ClientOptions, HttpPlatform, Platform};
use crate::platform::token::TokenSource;
use crate::platform::verdict::Rules;
use crate::settings::{DatabaseSettings, RateScope, Settings, TracesSettings};
use crate::telemetry::event;
use crate::telemetry::traces::{Exporter, TraceOptions, Traces};

/// The database with the outbox table, through its two doors.
#[derive(Clone)]
pub struct Database {
    /// The courier's door.
    pub outbox: Arc<dyn Outbox>,
    /// The operators' door.
    pub operations: Arc<dyn Operations>,
    /// How the courier's writes go.
    pub writes: WriteHealth,
}

impl Database {
    fn new<D>(database: SqlOutbox<D>, longest_contact: u64) -> Self
    where
        SqlOutbox<D>: Clone + Outbox + Operations,
    {
        let database = database.with_longest_contact(longest_contact);
        Self {
            writes: database.write_health(),
            operations: Arc::new(database.clone()),
            outbox: Arc::new(database),
        }
    }
}

/// Connects to the database with the outbox table, if it is new enough. It may have any schema: see
/// [`prepare_outbox`].
pub async fn connect_outbox(settings: &Settings) -> anyhow::Result<Arc<dyn Outbox>> {
    let database = connect_database(settings).await?;
    refuse_old(&*database.operations).await?;
    Ok(database.outbox)
}

/// The same through both doors. If there are several servers, this is one that takes writes.
pub async fn connect_database(settings: &Settings) -> anyhow::Result<Database> {
    connect(settings, Access::Write).await
}

async fn connect(settings: &Settings, access: Access) -> anyhow::Result<Database> {
    let longest_contact = settings.delivery.max_contact_bytes;
    open_database(&settings.database, longest_contact, access).await
}

/// Opens the database as a courier needs it: one of its servers takes writes and is new enough, and
/// the tables are there.
pub async fn open_to_work(settings: &Settings) -> anyhow::Result<Database> {
    let database = connect_database(settings).await?;
    refuse_old(&*database.operations).await?;
    let applied = prepare_outbox(&*database.outbox, &settings.database).await?;
    if applied > 0 {
        let action = action(
            "migrate",
            &format!("{applied} migrations, at the start of `run`"),
        );
        note(&*database.operations, &action, None).await;
    }
    Ok(database)
}

/// Opens the database that keeps the rates, if it is another one, in the same way.
pub async fn open_rates(settings: &Settings) -> anyhow::Result<Option<Arc<dyn Outbox>>> {
    let Some(of_rates) = settings.rates_database() else {
        return Ok(None);
    };
    // No contact is read from it.
    let database = open_database(&of_rates, 0, Access::Write).await?;
    refuse_old(&*database.operations).await?;
    prepare_outbox(&*database.outbox, &of_rates).await?;
    Ok(Some(database.outbox))
}

/// Opens the database that keeps the rates, without making anything. Returns how many couriers
/// share them, and whether one could.
pub async fn find_rates(of_rates: &DatabaseSettings) -> anyhow::Result<(usize, Trial)> {
    refuse_missing(of_rates)?;
    let database = open_database(of_rates, 0, Access::Write).await?;
    refuse_old(&*database.operations).await?;
    database.outbox.check_fitness().await?;
    database.outbox.check_schema().await?;
    let sharers = database.outbox.sharers().await?;
    Ok((sharers, database.operations.try_sharing().await))
}

/// The same without making anything: an SQLite file must be there. While no server takes writes, a
/// standby serves, too, because the caller only reads.
pub async fn find_database(settings: &Settings) -> anyhow::Result<Database> {
    refuse_missing(&settings.database)?;
    connect(settings, Access::Read).await
}

/// Fails if an SQLite file is missing, because opening it would make it.
fn refuse_missing(database: &DatabaseSettings) -> anyhow::Result<()> {
    let (url, key) = (database.url(), database.url_key());
    if url.kind() == Some(DatabaseKind::Sqlite)
        && let Some(folder) = SqliteOutbox::missing_folder(url.expose())
    {
        let folder = folder.display();
        bail!("there is no folder {folder} of the database {url}; check {key}, or make the folder");
    }
    if url.kind() == Some(DatabaseKind::Sqlite) && !SqliteOutbox::is_there(url.expose()) {
        bail!("there is no database {url}; check {key}, or make it by `contact-courier migrate`");
    }
    Ok(())
}

async fn open_database(
    database: &DatabaseSettings,
    longest_contact: u64,
    access: Access,
) -> anyhow::Result<Database> {
    // Boxed, because the compiler limits futures within futures.
    let connected = Box::pin(connect_to(database, longest_contact, access));
    // The address prints itself without its password.
    connected.await.with_context(|| {
        let (key, url) = (database.url_key(), database.url());
        if database.url_file.is_some() {
            format!("cannot open the database {url}; check {key}")
        } else {
            format!("cannot open the database; check {key} = {url}")
        }
    })
}

async fn connect_to(
    database: &DatabaseSettings,
    longest_contact: u64,
    access: Access,
) -> anyhow::Result<Database> {
    let (url, connections) = (database.url(), database.max_connections);
    let address = database.address()?;
    Ok(match url.kind() {
        Some(DatabaseKind::Sqlite) => Database::new(
            SqliteOutbox::connect(url.expose(), connections).await?,
            longest_contact,
        ),
        Some(DatabaseKind::Postgres) => Database::new(
            PostgresOutbox::connect_to(&address, connections, access).await?,
            longest_contact,
        ),
        Some(DatabaseKind::MySql) => {
            let outbox = MySqlOutbox::connect_to(&address, connections, access).await?;
            if !outbox.is_durable().await? {
                event::NotDurable.emit();
            }
            Database::new(outbox, longest_contact)
        }
        None => bail!("it is no address of a known database"),
    })
}

/// Makes sure that the schema is up to date; migrates if it may (`database.auto_migrate`). Returns
/// how many migrations were applied. If nothing is missing, it asks for no right to change tables.
/// Refuses a database on which the courier could not do its work.
pub async fn prepare_outbox(
    outbox: &dyn Outbox,
    database: &DatabaseSettings,
) -> anyhow::Result<usize> {
    outbox.check_fitness().await?;
    match outbox.check_schema().await {
        Err(OutboxError::Schema(_)) if database.auto_migrate => Ok(outbox.migrate().await?),
        checked => {
            checked?;
            Ok(0)
        }
    }
}

/// Refuses a database that is too old for this program: its later errors would be hard to
/// understand.
pub async fn refuse_old(operations: &dyn Operations) -> anyhow::Result<()> {
    let server = operations.server().await?;
    match server.too_old {
        Some(wanted) => bail!("{} is too old; install {wanted}", server.product),
        None => Ok(()),
    }
}

/// Makes a new SQLite database at a path, for the demo.
pub async fn new_sqlite(path: &Path) -> anyhow::Result<Database> {
    let url = format!("sqlite://{}", path.display());
    let outbox = SqliteOutbox::connect(&url, 4).await?;
    outbox.migrate().await?;
    Ok(Database::new(
        outbox,
        Settings::default().delivery.max_contact_bytes,
    ))
}

/// Makes a courier by the settings, on this outbox; `rates` is the database that keeps its rates,
/// if it is another one.
pub fn courier(
    outbox: Arc<dyn Outbox>,
    rates: Option<Arc<dyn Outbox>>,
    settings: &Settings,
) -> anyhow::Result<Courier> {
    let platform: Arc<dyn Platform> = Arc::new(http_platform(settings)?);
    let courier = Courier::new(outbox, platform, courier_options(settings));
    Ok(match rates {
        Some(rates) => courier.with_rates(rates),
        None => courier,
    })
}

/// Makes the traces of the courier's batches; without a collector in the settings, they go nowhere.
pub fn traces(courier: &Courier, settings: &Settings) -> anyhow::Result<(Traces, Exporter)> {
    let TracesSettings {
        endpoint, ratio, ..
    } = &settings.traces;
    let Some(endpoint) = endpoint.clone() else {
        return Ok((Traces::default(), Exporter::default()));
    };
    let options = TraceOptions {
        way: settings.way_to_collector(&endpoint)?,
        endpoint,
        ratio: *ratio,
        instance: courier.instance(),
    };
    Ok(Exporter::start(&options)?)
}

/// Puts together everything that operators may ask about a courier.
pub fn subject(
    database: Database,
    courier: &Courier,
    life: &Lifecycle,
    settings: &Settings,
) -> Subject {
    Subject {
        pulse: courier.pulse(),
        life: life.clone(),
        outbox: database.outbox,
        writes: database.writes,
        operations: database.operations,
        about: About {
            instance: courier.instance().to_string(),
            host: host_name(),
            platform: settings.platform.base_url.to_string(),
        },
        tuner: courier.tuner(),
        safety: Safety(settings.request_defaults()),
    }
}

/// The name of this host.
pub fn host_name() -> String {
    gethostname::gethostname().to_string_lossy().into_owned()
}

/// Makes an action that begins here and now, by the user of this process.
pub fn action(name: &'static str, selection: &str) -> Action {
    operators::action(name, &host_name(), &os_user(), selection)
}

/// Returns the name of this process's user, or the number. Of root by `sudo`, the one who asked
/// for it: otherwise nobody could tell the operators of a host apart.
pub fn os_user() -> String {
    let id = Uid::current();
    let user = User::from_uid(id).ok().flatten();
    let user = user.map_or_else(|| id.to_string(), |user| user.name);
    #[expect(
        clippy::disallowed_methods,
        reason = "this is no setting: sudo alone tells it"
    )]
    let asked = std::env::var("SUDO_USER").ok();
    behind(user, asked.filter(|_| id.is_root()).as_deref())
}

/// Names a user, and who has become this user by `sudo`.
fn behind(user: String, sudo_user: Option<&str>) -> String {
    match sudo_user.filter(|name| !name.trim().is_empty() && *name != user) {
        Some(name) => format!("{name} (sudo)"),
        None => user,
    }
}

/// The platform over HTTP.
pub fn http_platform(settings: &Settings) -> anyhow::Result<HttpPlatform> {
    let platform = &settings.platform;
    let token = match (&platform.token, &platform.token_file) {
        (Some(token), _) => TokenSource::fixed(token)?,
        (None, Some(file)) => TokenSource::file(file)?,
        (None, None) => bail!("no token: set platform.token or platform.token_file"),
    };
    let options = ClientOptions {
        base_url: platform.base_url.clone(),
        way: settings.way_to_platform()?,
        timeout: platform.timeout,
        connect_timeout: platform.connect_timeout,
    };
    Ok(HttpPlatform::new(&options, token)?)
}

/// Makes the caretaker that deletes old data, if the settings ask for one.
fn retention(database: &Database, courier: &Courier, settings: &Settings) -> Option<Retention> {
    settings.retention.older_than.map(|older_than| Retention {
        operations: Arc::clone(&database.operations),
        instance: courier.instance(),
        older_than,
    })
}

/// Makes the caretaker that takes out personal data, if the settings ask for one.
fn redaction(database: &Database, courier: &Courier, settings: &Settings) -> Option<Redaction> {
    let redact_after = settings.retention.redact_after?;
    let operations = Arc::clone(&database.operations);
    Some(Redaction::new(operations, courier.instance(), redact_after))
}

/// Returns what the caretakers do that the settings ask for.
fn chores(settings: &Settings) -> Vec<Chore> {
    let retention = &settings.retention;
    let prunes = retention.older_than.map(|_| Chore::Prune);
    let redacts = retention.redact_after.map(|_| Chore::Redact);
    prunes.into_iter().chain(redacts).collect()
}

/// Starts the caretakers that the settings ask for.
pub fn care(
    database: &Database,
    courier: &Courier,
    settings: &Settings,
    life: &Lifecycle,
    beside: &mut JoinSet<()>,
) {
    if let Some(retention) = retention(database, courier, settings) {
        beside.spawn(retention.run(life.clone()));
    }
    if let Some(redaction) = redaction(database, courier, settings) {
        beside.spawn(redaction.run(life.clone()));
    }
}

/// Returns the settings that a running courier takes over.
pub fn tuning(settings: &Settings) -> Tuning {
    let (delivery, retry) = (&settings.delivery, &settings.retry);
    let (limits, platform) = (&settings.rate_limit, &settings.platform);
    Tuning {
        batch_size: delivery.batch_size,
        linger: delivery.linger,
        max_in_flight: delivery.max_in_flight,
        max_in_flight_per_lane: delivery.max_in_flight_per_lane,
        max_request_bytes: delivery.max_request_bytes,
        backoff: BackoffPolicy {
            initial_interval: retry.initial_interval,
            max_interval: retry.max_interval,
            multiplier: retry.multiplier,
            jitter: retry.jitter,
        },
        longest_retry_after: retry.longest_retry_after,
        give_up_after: retry.give_up_after,
        give_up_on_holds_after: retry.give_up_on_holds_after.unwrap_or_default(),
        limits: RateLimits {
            requests_per_second: limits.requests_per_second,
            per_user: limits.per_user,
            per_lane: limits.per_lane,
            // The settings refuse zero.
            burst: NonZeroU32::new(limits.burst).unwrap_or(NonZeroU32::MIN),
        },
        rules: Rules {
            lane_codes: platform.lane_codes.clone(),
            lane_markers: platform.lane_markers.clone(),
            duplicate_markers: platform.duplicate_markers.clone(),
        },
    }
}

fn courier_options(settings: &Settings) -> CourierOptions {
    let delivery = &settings.delivery;
    CourierOptions {
        host: host_name(),
        notice_interval: delivery.notice_interval,
        poll_interval: delivery.poll_interval,
        lease: delivery.lease,
        shutdown_grace: delivery.shutdown_grace,
        shared_limits: settings.rate_limit.scope == RateScope::Cluster,
        chores: chores(settings),
        request: settings.request_defaults(),
        tuning: tuning(settings),
        traces: Traces::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_by_default_are_those_that_the_verdict_is_tested_with() {
        assert_eq!(tuning(&Settings::default()).rules, Rules::default());
    }

    #[test]
    fn who_became_root_by_sudo_is_named() {
        for (sudo_user, who) in [
            (None, "root"),
            (Some(""), "root"),
            (Some("root"), "root"),
            (Some("anna"), "anna (sudo)"),
        ] {
            assert_eq!(behind("root".to_owned(), sudo_user), who);
        }
    }
}

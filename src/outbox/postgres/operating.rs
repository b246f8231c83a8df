//! What operators ask, answered.
//!
//! [`failing`] answers about contacts that failed and sends them on their way again, [`pruning`]
//! deletes what is old.

pub(super) mod failing;
pub(super) mod pruning;

use sqlx::postgres::PgRow;
use sqlx::{PgPool, Result, Row};

use super::session;
use super::statements::operating::{
    AHEAD, BATCHES_NAMED, CONTACT, INSTANCES, LANE, LANES, OPEN_BATCHES_WITH, OVERVIEW, PAUSED,
    REQUEUES, SERVER,
};
use crate::contact::ContactId;
use crate::outbox::operations::{
    self, BatchReport, ContactReport, InstanceReport, LaneReport, OutcomeCount, Overview,
    PausedLane, ServerReport, ServerSetting, Story, Trail,
};
use crate::outbox::rows::Columns;

pub(super) async fn overview(pool: &PgPool) -> Result<Overview> {
    let totals = sqlx::query(OVERVIEW).fetch_one(pool).await?;
    Ok(operations::overview(&totals, instances(pool).await?))
}

pub(super) async fn instances(pool: &PgPool) -> Result<Vec<InstanceReport>> {
    let instances = sqlx::query(INSTANCES).fetch_all(pool).await?;
    Ok(instances.iter().map(operations::instance_report).collect())
}

pub(super) async fn lanes(pool: &PgPool, limit: u32) -> Result<Vec<LaneReport>> {
    let lanes = sqlx::query(LANES)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
    Ok(lanes.iter().map(operations::lane_report).collect())
}

pub(super) async fn paused(pool: &PgPool, limit: u32) -> Result<Vec<PausedLane>> {
    let paused = sqlx::query(PAUSED)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
    Ok(paused.iter().map(operations::paused_lane).collect())
}

pub(super) async fn story(pool: &PgPool, id: ContactId) -> Result<Option<Story>> {
    let contact = sqlx::query(CONTACT).bind(id.0).fetch_optional(pool).await?;
    let Some(contact) = contact.as_ref().map(operations::contact_report) else {
        return Ok(None);
    };
    let requeued = sqlx::query(REQUEUES).bind(id.0).fetch_all(pool).await?;
    let requeued: Vec<_> = requeued.iter().map(operations::requeued).collect();
    let mut trail = Trail::new(open_batches(pool, &contact).await?, &contact, &requeued);
    loop {
        let wanted = trail.wanted();
        if wanted.is_empty() {
            break;
        }
        let found = sqlx::query(BATCHES_NAMED)
            .bind(wanted)
            .fetch_all(pool)
            .await?;
        trail.add(found.iter().map(operations::batch_report).collect());
    }
    let lane = sqlx::query(LANE)
        .bind(&contact.user_id)
        .bind(&contact.task_id)
        .fetch_optional(pool)
        .await?;
    let ahead: i64 = if contact.status == "pending" {
        of_lane(AHEAD, &contact).fetch_one(pool).await?.try_get(0)?
    } else {
        0
    };
    Ok(Some(Story {
        requeued,
        batches: trail.complete(),
        lane: lane.as_ref().map(operations::lane_standing),
        ahead: u64::try_from(ahead).unwrap_or_default(),
        contact,
    }))
}

async fn open_batches(pool: &PgPool, contact: &ContactReport) -> Result<Vec<BatchReport>> {
    let open = of_lane(OPEN_BATCHES_WITH, contact).fetch_all(pool).await?;
    Ok(open.iter().map(operations::batch_report).collect())
}

/// A statement about a contact and its lane.
fn of_lane<'q>(
    statement: &'static str,
    contact: &'q ContactReport,
) -> sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments> {
    sqlx::query(statement)
        .bind(&contact.user_id)
        .bind(&contact.task_id)
        .bind(contact.id.0)
}

pub(super) async fn server(pool: &PgPool) -> Result<ServerReport> {
    let told = sqlx::query(SERVER).fetch_one(pool).await?;
    let version = told.text("version").unwrap_or_default();
    let pooled = session::is_pooled(pool).await?;
    let behind = if pooled {
        ", behind a pooler of transactions,"
    } else {
        ""
    };
    let setting =
        |name, wanted: &[&str], risk| ServerSetting::new(name, told.text(name), wanted, risk);
    let mut durability = vec![
        setting(
            "fsync",
            &["on"],
            "a loss of power may destroy the database; set it to on",
        ),
        setting(
            "full_page_writes",
            &["on"],
            "a loss of power may destroy the database; set it to on, unless the file system \
                 writes pages as a whole",
        ),
        // Asked for by our own sessions: something must be wrong if it is not so.
        setting(
            "synchronous_commit",
            &["on", "remote_apply"],
            "a crash may forget the journal, and contacts would be sent twice",
        ),
    ];
    durability.extend(replication(&told));
    Ok(ServerReport {
        too_old: (!operations::at_least(&version, &[12])).then_some("PostgreSQL 12 or newer"),
        product: format!("PostgreSQL {version}{behind}"),
        durability,
        cluster: None,
        clock: told.seconds("clock").unwrap_or_default(),
    })
}

/// Where there are standbys: whether one that takes this server's place has all of its commits.
fn replication(told: &PgRow) -> Option<ServerSetting> {
    let standbys = told.integer("standbys").unwrap_or_default();
    let names = told.text("synchronous_standby_names").unwrap_or_default();
    let is_waited_for = !names.is_empty();
    (standbys > 0 || is_waited_for).then(|| ServerSetting {
        name: "synchronous_standby_names",
        risk: (!is_waited_for).then_some(
            "a standby that takes this server's place may lack the last commits, and contacts would \
             be sent twice; name those that may take it",
        ),
        value: if is_waited_for { names } else { "empty".into() },
    })
}

pub(super) async fn outcomes(pool: &PgPool) -> Result<Vec<OutcomeCount>> {
    let counts = sqlx::query(operations::OUTCOMES).fetch_all(pool).await?;
    Ok(counts.iter().map(operations::outcome).collect())
}

pub(super) async fn numbers_delivered(pool: &PgPool) -> Result<u64> {
    let counted: i64 = sqlx::query_scalar(operations::NUMBERS_DELIVERED)
        .fetch_one(pool)
        .await?;
    Ok(u64::try_from(counted).unwrap_or_default())
}

//! What operators ask, answered.
//!
//! [`failing`] answers about contacts that failed and sends them on their way again, [`pruning`]
//! deletes what is old.

pub(super) mod failing;
pub(super) mod pruning;

use std::collections::HashMap;

use sqlx::{MySqlPool, Result, Row};

use super::cluster::Kind;
use super::lists::fetch;
use super::session::kind;
use super::statements::operating::{
    AHEAD, BATCHES_NAMED, CONTACT, INSTANCES, LANE, LANES, OPEN_BATCHES_WITH, OVERVIEW, PAUSED,
    REPLICAS, REPLICATION, REQUEUES, SERVER,
};
use crate::contact::ContactId;
use crate::outbox::operations::{
    self, BatchReport, ContactReport, InstanceReport, LaneReport, OutcomeCount, Overview,
    PausedLane, ServerReport, ServerSetting, Story, Trail,
};
use crate::outbox::rows::Columns;

pub(super) async fn overview(pool: &MySqlPool) -> Result<Overview> {
    let totals = sqlx::query(OVERVIEW).fetch_one(pool).await?;
    Ok(operations::overview(&totals, instances(pool).await?))
}

pub(super) async fn instances(pool: &MySqlPool) -> Result<Vec<InstanceReport>> {
    let instances = sqlx::query(INSTANCES).fetch_all(pool).await?;
    Ok(instances.iter().map(operations::instance_report).collect())
}

pub(super) async fn lanes(pool: &MySqlPool, limit: u32) -> Result<Vec<LaneReport>> {
    let lanes = sqlx::query(LANES)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
    Ok(lanes.iter().map(operations::lane_report).collect())
}

pub(super) async fn paused(pool: &MySqlPool, limit: u32) -> Result<Vec<PausedLane>> {
    let paused = sqlx::query(PAUSED)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await?;
    Ok(paused.iter().map(operations::paused_lane).collect())
}

pub(super) async fn story(pool: &MySqlPool, id: ContactId) -> Result<Option<Story>> {
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
        let mut session = pool.acquire().await?;
        let found = fetch(&mut session, BATCHES_NAMED, &wanted).await?;
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

async fn open_batches(pool: &MySqlPool, contact: &ContactReport) -> Result<Vec<BatchReport>> {
    let open = of_lane(OPEN_BATCHES_WITH, contact).fetch_all(pool).await?;
    Ok(open.iter().map(operations::batch_report).collect())
}

/// A statement about a contact and its lane.
fn of_lane<'q>(
    statement: &'static str,
    contact: &'q ContactReport,
) -> sqlx::query::Query<'q, sqlx::MySql, sqlx::mysql::MySqlArguments> {
    sqlx::query(statement)
        .bind(&contact.user_id)
        .bind(&contact.task_id)
        .bind(contact.id.0)
}

pub(super) async fn server(pool: &MySqlPool) -> Result<ServerReport> {
    let mut session = pool.acquire().await?;
    let cluster = Kind::of(&mut session).await?;
    let told = sqlx::query(SERVER).fetch_one(&mut *session).await?;
    let version = told.text("version").unwrap_or_default();
    let (product, too_old) = kind(&version);
    let mut durability = vec![
        ServerSetting::new(
            "innodb_flush_log_at_trx_commit",
            told.text("flush_log"),
            &["1"],
            "a crash may forget the journal, and contacts would be sent twice; set it to 1",
        ),
        ServerSetting::new(
            "innodb_doublewrite",
            told.text("doublewrite"),
            &["1", "ON", "DETECT_AND_RECOVER"],
            "a loss of power may destroy the database; set it to ON, unless the file system writes \
             pages as a whole",
        ),
    ];
    if told.flag("log_bin").unwrap_or_default() {
        durability.push(ServerSetting::new(
            "sync_binlog",
            told.text("sync_binlog"),
            &["1"],
            "after a crash the replicas may lack what this server has; set it to 1 if one may take \
             its place",
        ));
    }
    durability.extend(replication(pool).await?);
    Ok(ServerReport {
        too_old,
        product: format!("{product} {version}"),
        durability,
        cluster: cluster.map(Kind::as_str),
        clock: told.seconds("clock").unwrap_or_default(),
    })
}

/// Where others follow this server: whether one that takes its place has all of its commits.
async fn replication(pool: &MySqlPool) -> Result<Option<ServerSetting>> {
    let told = sqlx::raw_sql(REPLICATION).fetch_all(pool).await?;
    let told = told
        .iter()
        .map(|row| Ok((row.try_get::<String, _>(0)?, row.try_get::<String, _>(1)?)));
    let told = told.collect::<Result<HashMap<_, _>>>()?;
    let of = |name| told.get(name).map(String::as_str);
    if let Some(nodes) = of("wsrep_cluster_size").filter(|nodes| *nodes != "0") {
        return Ok(Some(ServerSetting {
            name: "wsrep_cluster_size",
            value: nodes.to_owned(),
            risk: None,
        }));
    }
    // It may not be there for this user, and then nothing is known.
    let seen: i64 = sqlx::query_scalar(REPLICAS)
        .fetch_one(pool)
        .await
        .unwrap_or_default();
    let followed = seen > 0 || of("Slaves_connected").is_some_and(|replicas| replicas != "0");
    let waits = ["Rpl_semi_sync_master_status", "Rpl_semi_sync_source_status"];
    let waits = waits.iter().any(|name| of(name) == Some("ON"));
    Ok((followed || waits).then(|| ServerSetting {
        name: "semi-synchronous replication",
        value: if waits { "on" } else { "off" }.into(),
        risk: (!waits).then_some(
            "a replica that takes this server's place may lack the last commits, and contacts would \
             be sent twice; turn it on",
        ),
    }))
}

pub(super) async fn outcomes(pool: &MySqlPool) -> Result<Vec<OutcomeCount>> {
    let counts = sqlx::query(operations::OUTCOMES).fetch_all(pool).await?;
    Ok(counts.iter().map(operations::outcome).collect())
}

pub(super) async fn numbers_delivered(pool: &MySqlPool) -> Result<u64> {
    let counted: i64 = sqlx::query_scalar(operations::NUMBERS_DELIVERED)
        .fetch_one(pool)
        .await?;
    Ok(u64::try_from(counted).unwrap_or_default())
}

//! A server that lives on but takes no writes any more, and another that takes its place.

use contact_courier::simulator::Faults;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, MySqlConnection, PgConnection};
use url::Url;

use super::outage::{contacts, everything_arrived, said, was_told_once};
use crate::server::Server;
use crate::support::group::Group;
use crate::support::{Db, Kind, mysql_database};
use crate::world::{Program, World, until};

const PER_LANE: usize = 200;

/// Starts a courier that takes seconds for its contacts, and returns their number and the courier when a
/// part of them is delivered.
async fn is_half_way(world: &mut World<'_>) -> (i64, Program) {
    world.set("delivery.batch_size", "10");
    world.set("rate_limit.requests_per_second", "40");
    let contacts = contacts(world, PER_LANE).await;
    let courier = world.start(&["run"]);
    world.holds_more_than(200).await;
    (contacts, courier)
}

/// Waits until all contacts are delivered, and ends the courier.
async fn delivers_the_rest(world: &World<'_>, contacts: i64, courier: Program) {
    until("every row is final", async || {
        world.with_status("pending").await == 0
    })
    .await;
    everything_arrived(world, contacts).await;
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
}

#[tokio::test]
async fn sessions_at_a_demoted_primary_move_over_to_its_standby() {
    let primary = Server::new("postgres").await;
    let db = Db::postgres_at(primary.url.clone()).await;
    db.outbox.migrate().await.unwrap();
    let standby = Server::standby_of(&primary).await;
    let mut world = World::new(&db, Faults::default()).await;
    world.set("database.url", &primary.and(&standby));
    // A heartbeat that a busy machine delays would be another outage.
    world.set("delivery.lease", "30s");
    world.set("delivery.batch_size", "10");
    world.set("rate_limit.requests_per_second", "40");
    let contacts = contacts(&world, PER_LANE).await;
    let sessions = "FROM pg_stat_activity WHERE application_name = 'contact-courier'";
    let of_this_test = db.count(sessions).await;
    tells_whether_commits_can_be_lost(&world).await;
    let courier = world.start(&["run"]);
    world.holds_more_than(200).await;

    // In the order of a cluster's manager: first the old server stops taking writes, then the new
    // one begins.
    db.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        .await;
    db.execute("SELECT pg_reload_conf()").await;
    courier.says("database trouble; trying again").await;
    standby.promote().await;
    standby.stands_for(&db);
    courier.says("the database answers again").await;
    until("every row is final", async || {
        world.with_status("pending").await == 0
    })
    .await;
    everything_arrived(&world, contacts).await;
    was_told_once(&courier);
    assert_eq!(said(&courier, "another server is used now"), 1);
    // No session is left behind on the old server.
    let old = PgPoolOptions::new().connect(&primary.url).await.unwrap();
    let left = format!("SELECT count(*) {sessions}");
    until("no session is left", async || {
        let left = sqlx::query_scalar(AssertSqlSafe(left.clone()))
            .fetch_one(&old)
            .await;
        left.unwrap_or(i64::MAX) == of_this_test
    })
    .await;
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
}

/// Tries what `doctor` says of a PostgreSQL with a standby, with commits that wait for it and without.
async fn tells_whether_commits_can_be_lost(world: &World<'_>) {
    let setting = "synchronous_standby_names";
    let names = format!("current_setting('{setting}')");
    let names = world.db.text(&names, "").await.unwrap();
    for (value, warns) in [("", true), (names.as_str(), false)] {
        let set = format!("ALTER SYSTEM SET {setting} = '{value}'");
        world.db.execute(&set).await;
        world.db.execute("SELECT pg_reload_conf()").await;
        let is_set = format!("FROM pg_settings WHERE name = '{setting}' AND setting = '{value}'");
        until("it is set", async || world.db.count(&is_set).await == 1).await;
        let doctor = world.run(&["doctor"]).await;
        let told = format!("{setting} is empty; a standby");
        assert_eq!(doctor.out.contains(&told), warns, "{}", doctor.out);
    }
}

#[tokio::test]
async fn who_reads_only_the_changes_is_not_taken_for_a_standby() {
    let [mut server, reader] = [Server::new("postgres").await, Server::new("postgres").await];
    let mut admin = PgConnection::connect(&server.url).await.unwrap();
    let logical = "ALTER SYSTEM SET wal_level = logical";
    admin.execute(logical).await.unwrap();
    server.kill().await;
    server.url = server.start().await;
    let db = Db::postgres_at(server.url.clone()).await;
    db.outbox.migrate().await.unwrap();
    db.execute("CREATE TABLE changing (id int PRIMARY KEY); CREATE PUBLICATION all_of_it FOR TABLE changing")
        .await;
    let mut reads = PgConnection::connect(&reader.url).await.unwrap();
    let of = format!(
        "host={} user=postgres dbname=postgres",
        server.dir().display()
    );
    for sql in [
        "CREATE TABLE changing (id int PRIMARY KEY)".to_owned(),
        format!("CREATE SUBSCRIPTION it CONNECTION '{of}' PUBLICATION all_of_it"),
    ] {
        reads.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    let of_changes = "FROM pg_stat_replication WHERE state = 'streaming'";
    until("the changes are read", async || {
        db.count(of_changes).await == 1
    })
    .await;
    let world = World::new(&db, Faults::default()).await;
    let doctor = world.run(&["doctor"]).await;
    assert!(
        !doctor.out.contains("synchronous_standby_names"),
        "{}",
        doctor.out
    );
    assert!(doctor.out.contains("fsync"), "{}", doctor.out);
}

/// A group of MySQL servers gives the place of its primary to another member: the old one turns read-only, and keeps its
/// sessions.
#[tokio::test]
async fn mysql_sessions_at_a_demoted_primary_move_over_to_the_new_one() {
    let Some(group) = Group::new().await else {
        return;
    };
    let db = Db::mysql_at(Kind::MySql, group.primary.clone()).await;
    db.outbox.migrate().await.unwrap();
    let mut world = World::new(&db, Faults::default()).await;
    world.set("database.url", &group.everybody());
    let (contacts, courier) = is_half_way(&mut world).await;

    let members = "performance_schema.replication_group_members";
    let next = format!("FROM {members} WHERE member_role = 'SECONDARY' ORDER BY member_id LIMIT 1");
    let next = db.text("member_id", &next).await.unwrap();
    let hands_over = format!("SELECT group_replication_set_as_primary('{next}')");
    db.execute(&hands_over).await;
    courier.says("another server is used now").await;
    // The old primary has what the new one writes.
    delivers_the_rest(&world, contacts, courier).await;
}

#[tokio::test]
async fn mariadb_sessions_at_a_demoted_primary_move_over_to_the_second_server() {
    let first = Server::on_loopback("mariadb").await;
    let second = Server::on_loopback("mariadb").await;
    let db = Db::mysql_at(Kind::MariaDb, mysql_database(&first.url).await).await;
    db.outbox.migrate().await.unwrap();
    let mut admin = MySqlConnection::connect(&second.url).await.unwrap();
    admin.execute("SET GLOBAL read_only = 1").await.unwrap();
    // One who must not write where `read_only` is on.
    let name = db.text("DATABASE()", "").await.unwrap();
    let user = format!("CREATE USER courier; GRANT ALL ON {name}.* TO courier");
    db.execute(&user).await;
    admin.execute(AssertSqlSafe(user)).await.unwrap();
    let mut world = World::new(&db, Faults::default()).await;
    let [old, new] = [&first, &second].map(|server| Url::parse(&server.url).unwrap());
    let [old, new] = [old, new].map(|url| format!("127.0.0.1:{}", url.port().unwrap()));
    world.set(
        "database.url",
        &format!("mysql://courier@{old},{new}/{name}"),
    );
    let (contacts, courier) = is_half_way(&mut world).await;

    db.execute("SET GLOBAL read_only = 1").await;
    courier.says("database trouble; trying again").await;
    // It has everything that was committed, as a replica that was waited for has.
    second.copies(&db).await;
    admin.execute("SET GLOBAL read_only = 0").await.unwrap();
    courier.says("another server is used now").await;
    second.stands_for(&db);
    delivers_the_rest(&world, contacts, courier).await;
}

#[tokio::test]
async fn a_server_that_turns_read_only_is_not_written_to_even_by_who_may() {
    let server = Server::new("mariadb").await;
    let db = Db::mysql_at(Kind::MariaDb, mysql_database(&server.url).await).await;
    db.outbox.migrate().await.unwrap();
    let mut world = World::new(&db, Faults::default()).await;
    // The heartbeats tell soon why the server takes no writes.
    let (contacts, courier) = is_half_way(&mut world).await;

    // The courier's user is the administrator, who could go on writing.
    db.execute("SET GLOBAL read_only = 1").await;
    courier.says("database trouble; trying again").await;
    courier.says("read_only is ON").await;
    // Commands that only read are served all the same; commands that write say why they cannot.
    let status = world.run(&["status"]).await;
    assert_eq!(status.code, Some(0), "{}", status.tail());
    let migrate = world.run(&["migrate"]).await;
    let why = "is read-only (read_only is ON)";
    assert!(migrate.error().contains(why), "{}", migrate.error());

    db.execute("SET GLOBAL read_only = 0").await;
    courier.says("the database answers again").await;
    until("every row is final", async || {
        world.with_status("pending").await == 0
    })
    .await;
    everything_arrived(&world, contacts).await;
    was_told_once(&courier);
    courier.signal("TERM").await;
    assert_eq!(courier.ended().await.code, Some(0));
}

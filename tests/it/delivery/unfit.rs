//! Databases on which the courier could not do its work are refused before anything is sent.

use contact_courier::simulator::Faults;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use url::Url;
use uuid::Uuid;

use super::load::everything_arrived;
use super::world::{World, goods, lanes};
use crate::support::{Db, on_mysql_and_mariadb, postgres_admin_url};

/// Makes a PostgreSQL database of an encoding, and returns its URL.
async fn database_in(encoding: &str) -> String {
    let name = format!("courier_{}", Uuid::now_v7().simple());
    let mut admin = PgConnection::connect(&postgres_admin_url()).await.unwrap();
    let create = format!(
        "CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'
         TEMPLATE template0"
    );
    let create = sqlx::raw_sql(AssertSqlSafe(create));
    create.execute(&mut admin).await.expect("a database");
    let mut url = Url::parse(&postgres_admin_url()).unwrap();
    url.set_path(&name);
    url.into()
}

#[tokio::test]
async fn an_encoding_that_does_not_hold_every_word_is_refused() {
    for encoding in ["LATIN1", "SQL_ASCII", "EUC_CN"] {
        let db = Db::postgres_at(database_in(encoding).await).await;
        let world = World::new(&db, Faults::default()).await;
        for command in [&["migrate"][..], &["run", "--once"]] {
            let ended = world.run(command).await;
            let said = ended.error();
            assert!(
                said.contains(encoding) && said.contains("ENCODING 'UTF8'"),
                "{said}"
            );
        }
        let doctor = world.run(&["doctor"]).await;
        assert_eq!(doctor.code, Some(1));
        assert!(doctor.out.contains("FAILED   fitness"), "{}", doctor.out);
        assert!(doctor.out.contains(encoding), "{}", doctor.out);
        let tables = "FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!(db.count(tables).await, 0);
    }
}

#[tokio::test]
async fn row_security_in_force_for_the_courier_is_refused() {
    let db = Db::postgres().await;
    let mut world = World::new(&db, Faults::default()).await;
    let role = format!("courier_{}", Uuid::now_v7().simple());
    db.execute(&format!(
        "CREATE ROLE {role} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}"
    ))
    .await;
    let mut url = Url::parse(&db.url).unwrap();
    url.set_username(&role).unwrap();
    world.set("database.url", url.as_str());
    for table in ["contact_outbox", "delivery_batch"] {
        db.execute(&format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"))
            .await;
        let ended = world.run(&["run", "--once"]).await;
        let said = ended.error();
        assert!(said.contains(table) && said.contains("BYPASSRLS"), "{said}");
        let doctor = world.run(&["doctor"]).await;
        assert!(
            doctor.out.contains("row security is in force"),
            "{}",
            doctor.out
        );
        db.execute(&format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"))
            .await;
    }
    db.execute("ALTER TABLE contact_outbox ENABLE ROW LEVEL SECURITY")
        .await;
    db.execute(&format!("ALTER ROLE {role} BYPASSRLS")).await;
    world.insert(&lanes(1)[0], &goods(0, 10)).await;
    world.deliver().await;
    everything_arrived(&world, 10, 0).await;
    db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}

/// A file that an app has made in UTF-16: the rules of the table would refuse every row.
#[tokio::test]
async fn a_file_of_sqlite_in_utf_16_is_refused() {
    for encoding in ["UTF-16le", "UTF-16be"] {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", dir.path().join("shop.db").display());
        let mut app = SqliteConnection::connect(&format!("{url}?mode=rwc"))
            .await
            .unwrap();
        let make = format!("PRAGMA encoding = '{encoding}'; CREATE TABLE app (id INTEGER)");
        let make = sqlx::raw_sql(AssertSqlSafe(make));
        make.execute(&mut app).await.unwrap();
        let db = Db::sqlite_at(url).await;
        let world = World::new(&db, Faults::default()).await;
        for command in [&["migrate"][..], &["run", "--once"]] {
            let ended = world.run(command).await;
            let said = ended.error();
            assert!(said.contains(encoding) && said.contains("UTF-8"), "{said}");
        }
        assert_eq!(db.count("FROM sqlite_master WHERE type = 'table'").await, 1);
        let doctor = world.run(&["doctor"]).await;
        assert!(doctor.out.contains("FAILED   fitness"), "{}", doctor.out);
    }
}

on_mysql_and_mariadb!(
    a_column_that_cannot_hold_every_word_is_refused,
    a_column_that_takes_two_ids_for_one_is_refused,
);

async fn a_column_that_cannot_hold_every_word_is_refused(db: &Db) {
    are_refused_when_converted_to(db, "latin1 COLLATE latin1_bin").await;
}

/// If upper and lower case were equal, a user would get the contacts of another.
async fn a_column_that_takes_two_ids_for_one_is_refused(db: &Db) {
    are_refused_when_converted_to(db, "utf8mb4 COLLATE utf8mb4_general_ci").await;
}

async fn are_refused_when_converted_to(db: &Db, collation: &str) {
    let world = World::new(db, Faults::default()).await;
    for table in ["contact_outbox", "delivery_lane", "delivery_batch"] {
        let convert = async |to: &str| {
            let convert = format!("ALTER TABLE {table} CONVERT TO CHARACTER SET {to}");
            db.execute(&convert).await;
        };
        convert(collation).await;
        let ended = world.run(&["run", "--once"]).await;
        let said = ended.error();
        // Does what the error says.
        let todo = "ALTER TABLE ... CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
        assert!(said.contains(table) && said.contains(todo), "{said}");
        let doctor = world.run(&["doctor"]).await;
        assert!(doctor.out.contains("FAILED   fitness"), "{}", doctor.out);
        convert("utf8mb4 COLLATE utf8mb4_bin").await;
    }
    world.deliver().await;
}

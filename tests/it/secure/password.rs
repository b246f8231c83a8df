//! A password file is read again when it changes: later connections use the new password.

use std::path::Path;
use std::time::Duration;

use contact_courier::outbox::{Access, MySqlOutbox, Operations, PostgresOutbox};
use contact_courier::settings::{DatabaseSettings, Layers, Settings};
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection};

use crate::server::Server;
use crate::support::{Kind, admin_url};

/// Longer than the courier may take to see a change.
const SOON: Duration = Duration::from_mins(1);

fn settings(url: &str, password_file: &Path) -> DatabaseSettings {
    let flags = vec![
        format!("database.url={url}"),
        format!("database.password_file={}", password_file.display()),
    ];
    let layers = Layers {
        flags,
        ..Layers::default()
    };
    Settings::from_layers(&layers).unwrap().database
}

/// Asks until there is an answer.
async fn answers(operations: &impl Operations) {
    let asked = async {
        while operations.server().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, asked)
        .await
        .expect("the new password is used");
}

#[tokio::test]
async fn a_postgresql_is_opened_by_the_password_that_the_file_holds_now() {
    if admin_url(Kind::Postgres).is_none() {
        return;
    }
    let mut server = Server::new("postgres").await;
    server.kill().await;
    let rules = "local all postgres trust\nlocal all all scram-sha-256\n";
    std::fs::write(server.dir().join("data/pg_hba.conf"), rules).unwrap();
    server.url = server.start().await;
    let mut admin = PgConnection::connect(&server.url).await.unwrap();
    sqlx::raw_sql("CREATE ROLE keeper LOGIN PASSWORD 'a/b?c@d#e%f:g h'")
        .execute(&mut admin)
        .await
        .unwrap();

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    // The password is used as it is, although none of it could stand in an address.
    std::fs::write(&file, "a/b?c@d#e%f:g h\n").unwrap();
    let url = server.url.replace("postgres@", "keeper@");
    let address = settings(&url, &file).address().unwrap();
    let outbox = PostgresOutbox::connect_to(&address, 2, Access::Write).await;
    let outbox = outbox.unwrap();
    answers(&outbox).await;

    sqlx::raw_sql(
        "ALTER ROLE keeper PASSWORD 'other';
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'keeper'",
    )
    .execute(&mut admin)
    .await
    .unwrap();
    std::fs::write(&file, "other").unwrap();
    answers(&outbox).await;
}

#[tokio::test]
async fn a_mariadb_is_opened_by_the_password_that_the_file_holds_now() {
    let Some(url) = admin_url(Kind::MariaDb) else {
        return;
    };
    let mut admin = MySqlConnection::connect(&url).await.unwrap();
    let name = format!("keeper{}", std::process::id());
    let mut run = async |statements: String| {
        let statements = AssertSqlSafe(statements);
        sqlx::raw_sql(statements).execute(&mut admin).await.unwrap();
    };
    run(format!(
        "CREATE USER {name} IDENTIFIED BY 'a/b?c@d#e%f'; GRANT SELECT ON mysql.* TO {name}"
    ))
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "a/b?c@d#e%f").unwrap();
    let mut own = url::Url::parse(&url).unwrap();
    own.set_username(&name).unwrap();
    let address = settings(own.as_str(), &file).address().unwrap();
    let outbox = MySqlOutbox::connect_to(&address, 2, Access::Write).await;
    let outbox = outbox.unwrap();
    answers(&outbox).await;

    run(format!(
        "ALTER USER {name} IDENTIFIED BY 'other'; KILL USER {name}"
    ))
    .await;
    std::fs::write(&file, "other").unwrap();
    answers(&outbox).await;
    drop(outbox);
    run(format!("DROP USER {name}")).await;
}

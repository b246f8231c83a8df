//! The README's steps for each database server. Those for MySQL and MariaDB run word by word on a
//! server of their own: from an empty server to a delivery, and each operator's command.

use std::collections::BTreeSet;

use contact_courier::simulator::Faults;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection};
use url::Url;
use uuid::Uuid;

use super::{blocks, code, read, snippet, table_rows};
use crate::server::Server;
use crate::support::{Db, Kind, on_databases, on_mysql_and_mariadb, postgres_admin_url};
use crate::world::{World, goods, lanes};

on_mysql_and_mariadb!(the_steps_of_the_readme_lead_to_a_delivery_and_every_command_works);
on_databases!(postgres Postgres: the_user_of_the_readme_makes_the_tables_and_delivers);

/// The user and the database have names of their own, because other tests use the server, too.
async fn the_user_of_the_readme_makes_the_tables_and_delivers(_: &Db) {
    let user = format!("user_{}", Uuid::now_v7().simple());
    let shop = format!("of_{user}");
    let setup = snippet("README.md", "```sql postgres server");
    let setup = setup.replace("courier", &user).replace("shop", &shop);
    let mut admin = PgConnection::connect(&postgres_admin_url()).await.unwrap();
    // A database is not made within a transaction.
    for statement in setup.lines() {
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))
            .execute(&mut admin)
            .await
            .unwrap();
    }
    let mut url = Url::parse(&postgres_admin_url()).unwrap();
    url.set_username(&user).unwrap();
    url.set_password(Some("password")).unwrap();
    url.set_path(&shop);
    let db = Db::postgres_at(url.into()).await;
    let world = World::new(&db, Faults::default()).await;
    let made = world.run(&["migrate"]).await;
    assert_eq!(made.code, Some(0), "{}", made.tail());
    world.insert(&lanes(1)[0], &goods(0, 1)).await;
    world.deliver().await;
    assert_eq!(world.with_status("succeeded").await, 1);
}

/// The statements that the README runs as the server's administrator.
fn setup() -> String {
    let found = blocks(&read("README.md"), "```sql server");
    let [setup] = found.as_slice() else {
        panic!("{} blocks", found.len());
    };
    setup.clone()
}

/// The address that the README gives to the courier, at the port of a server.
fn address(server: &Server) -> String {
    let readme = read("README.md");
    let (_, line) = readme.split_once("URL=mysql://").unwrap();
    let address = line.split_whitespace().next().unwrap();
    let mut address = Url::parse(&format!("mysql://{address}")).unwrap();
    let port = Url::parse(&server.url).unwrap().port();
    address.set_port(Some(port.expect("over TCP"))).unwrap();
    address.into()
}

async fn the_steps_of_the_readme_lead_to_a_delivery_and_every_command_works(tested: &Db) {
    let server = Server::on_loopback(match tested.kind {
        Kind::MariaDb => "mariadb",
        _ => "mysql",
    })
    .await;
    let mut admin = MySqlConnection::connect(&server.url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(setup()))
        .execute(&mut admin)
        .await
        .unwrap();
    let db = Db::mysql_at(tested.kind, address(&server)).await;
    let mut world = World::new(&db, Faults::default()).await;
    world.unset("delivery.lease");
    let contacts = world.dir.path().join("contacts.csv");
    // The second is no mobile number.
    let rows = "13012121211,张三,order-1\n12012121212,Li,order-2\n";
    std::fs::write(&contacts, format!("phone,name,idempotency_key\n{rows}")).unwrap();
    let file = contacts.to_str().unwrap();

    let enqueue = ["enqueue", file, "--user-id", "u-1", "--task-id", "t-1"];
    let before = [
        (&["migrate", "--results-index"][..], "index of results"),
        (&enqueue, ""),
        (&["doctor"], "ok "),
        (&["status"], "2"),
        (&["pause", "u-1/t-1", "--for", "2h"], "paused for 2h"),
        (&["status"], "paused"),
        (&["resume", "u-1/t-1"], "1 pause and "),
        (&["run", "--once"], ""),
        (&["status"], "1"),
    ];
    let all = before.into_iter().chain(AFTERWARDS.iter().copied());
    let mut ran = BTreeSet::new();
    for (command, told) in all {
        let ended = world.run(command).await;
        let said = format!("{}{}", ended.out, ended.err);
        assert_eq!(ended.code, Some(0), "{command:?}: {said}");
        assert!(said.contains(told), "{command:?}: {said}");
        ran.insert(command[0].to_owned());
    }
    assert_eq!(ran, commands_on_a_database());
    let rows = world.rows().await;
    let ends: Vec<_> = rows.iter().map(|row| row.status.as_str()).collect();
    assert_eq!(ends, ["succeeded", "failed"]);
    let phones: Vec<_> = rows.iter().map(|row| row.phone.as_str()).collect();
    assert_eq!(phones, ["130***1211", "12012121212"]);
    world.is_at_rest(0).await;
}

/// Each operator's command after the first delivery, and a part of its output.
const AFTERWARDS: &[(&[&str], &str)] = &[
    (&["failures"], "rejected"),
    (&["failures", "--by", "cause"], "fail_cause"),
    (&["failures", "--by", "lane"], "u-1/t-1"),
    (&["failures", "--by", "kind"], "rejected"),
    (&["explain", "1"], "succeeded"),
    (&["explain", "2"], "rejected"),
    (&["explain", "--key", "order-1"], "succeeded"),
    (&["explain", "--phone", "12012121212"], "rejected"),
    (&["results", "--since", "1h"], "\"succeeded\""),
    (&["requeue", "2", "--yes"], "1 contact requeued"),
    (&["cancel", "2", "--yes"], "1 contact cancelled"),
    (&["failures", "--by", "kind"], "cancelled"),
    (&["requeue", "2", "--yes"], "1 contact requeued"),
    (&["run", "--once"], ""),
    (&["failures"], "rejected"),
    (
        &["erase", "--phone", "13012121211", "--yes"],
        "1 contact erased",
    ),
    (
        &["prune", "--older-than", "1h"],
        "0 contacts and 0 batches deleted",
    ),
    (&["history"], "cancel"),
    (&["doctor"], "ok "),
];

/// The commands that the README names, without those that need no database.
fn commands_on_a_database() -> BTreeSet<String> {
    let readme = read("README.md");
    let (_, table) = readme.split_once("## Commands").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let named = table_rows(table).filter_map(|row| code(row[0]));
    let mut named: BTreeSet<_> = named
        .map(|command| command.split(' ').next().unwrap().to_owned())
        .collect();
    for elsewhere in [
        "simulate",
        "demo",
        "config",
        "hash-password",
        "completions",
        "man",
    ] {
        assert!(named.remove(elsewhere), "{elsewhere}");
    }
    named
}

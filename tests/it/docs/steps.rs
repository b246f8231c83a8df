//! The README's steps for MySQL and MariaDB, word by word, on a server of their own: from an empty
//! server to a delivery, and each operator's command.

use contact_courier::simulator::Faults;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};
use url::Url;

use super::{blocks, read};
use crate::server::Server;
use crate::support::{Db, Kind, on_mysql_and_mariadb};
use crate::world::World;

on_mysql_and_mariadb!(the_steps_of_the_readme_lead_to_a_delivery_and_every_command_works);

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
    std::fs::write(&contacts, "phone,name\n13012121211,张三\n12012121212,Li\n").unwrap();
    let file = contacts.to_str().unwrap();

    let enqueue = ["enqueue", file, "--user-id", "u-1", "--task-id", "t-1"];
    for (command, told) in [
        (&["migrate"][..], ""),
        (&enqueue, ""),
        (&["doctor"], "ok "),
        (&["status"], "2"),
        (&["run", "--once"], ""),
        (&["status"], "1"),
        (&["failures"], "rejected"),
        (&["explain", "1"], "succeeded"),
        (&["explain", "2"], "rejected"),
        (&["requeue", "2", "--yes"], "1 contact requeued"),
        (&["run", "--once"], ""),
        (&["failures"], "rejected"),
        (
            &["prune", "--older-than", "1h"],
            "0 contacts and 0 batches deleted",
        ),
        (&["doctor"], "ok "),
    ] {
        let ended = world.run(command).await;
        let said = format!("{}{}", ended.out, ended.err);
        assert_eq!(ended.code, Some(0), "{command:?}: {said}");
        assert!(said.contains(told), "{command:?}: {said}");
    }
    let rows = world.rows().await;
    let ends: Vec<_> = rows.iter().map(|row| row.status.as_str()).collect();
    assert_eq!(ends, ["succeeded", "failed"]);
    world.is_at_rest(0).await;
}

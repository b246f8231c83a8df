//! `status --alive`: the health check where there is no HTTP client.

use contact_courier::simulator::Faults;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};

use super::asking::Courier;
use crate::support::Db;
use crate::world::{Ended, World};

/// Runs the check and returns how it ends. It needs neither the database nor a token.
async fn check(world: &mut World<'_>, listen: &str, more: &[&str]) -> Ended {
    world.set("admin.listen", listen);
    world.set("database.url", "sqlite:///nowhere/none.db");
    world.unset("platform.token");
    world.run(&[&["status", "--alive"], more].concat()).await
}

#[tokio::test]
async fn a_courier_at_work_is_alive_and_says_so_without_its_database() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let courier = Courier::start(&mut world).await;
    let listen = courier.address.to_string();
    let ended = check(&mut world, &listen, &[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.out, "healthy: all loops are turning\n");
    let ended = check(&mut world, &listen, &["--json"]).await;
    let said = "{\"status\":\"healthy\",\"reason\":\"all loops are turning\",\"alive\":true}\n";
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), said));
}

#[tokio::test]
async fn a_courier_that_is_frozen_is_not_alive() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let courier = Courier::start(&mut world).await;
    courier.program.signal("STOP").await;
    let listen = courier.address.to_string();
    let ended = check(&mut world, &listen, &[]).await;
    let said = format!("error: no courier answers on admin.listen = {listen} within 5s");
    assert_eq!((ended.error(), ended.out.as_str()), (said.as_str(), ""));
}

#[tokio::test]
async fn a_courier_whose_loops_stand_still_is_not_alive() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = listener.local_addr().unwrap().to_string();
    let serve = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
        let body = r#"{"status":"unhealthy","reason":"standing still: scout","loops":[]}"#;
        let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Length";
        let answer = format!("{head}: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    };
    let (ended, ()) = tokio::join!(check(&mut world, &listen, &[]), serve);
    let said = "error: the courier is unhealthy: standing still: scout";
    assert_eq!(ended.error(), said);
    assert_eq!(ended.out, "unhealthy: standing still: scout\n");
}

#[tokio::test]
async fn where_no_courier_can_be_asked_none_is_alive() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    // Nobody listens, and nobody else can take the port.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listen = socket.local_addr().unwrap().to_string();
    let ended = check(&mut world, &listen, &[]).await;
    let said = format!("error: no courier answers on admin.listen = {listen}: Connection refused");
    assert!(ended.error().starts_with(&said), "{}", ended.err);
    let off = check(&mut world, "", &[]).await;
    let said = "error: admin.listen is empty, so no courier can be asked whether it lives\n";
    assert_eq!((off.code, off.err.as_str()), (Some(2), said));
}

//! The reports of servers to operators, and the commands that a standby can serve.

use contact_courier::simulator::Faults;

use super::cable::{Cable, State};
use crate::support::{Db, on_every_server};
use crate::world::{World, goods, lanes};

on_every_server!(
    a_command_names_the_server_that_does_not_answer,
    of_several_servers_the_first_that_takes_writes_is_used,
);

async fn a_command_names_the_server_that_does_not_answer(db: &Db) {
    let cable = Cable::to(db).await;
    let mut world = World::new(db, Faults::default()).await;
    world.set("database.url", &cable.url);
    cable.put(State::Pulled);
    for command in ["status", "failures", "migrate"] {
        let ended = world.run(&[command]).await;
        assert_eq!(ended.code, Some(1), "{}", ended.tail());
        let said = ended.error();
        let port = url::Url::parse(&cable.url).unwrap().port().unwrap();
        assert!(said.contains(&format!("127.0.0.1:{port}")), "{said}");
        assert!(said.contains("within"), "{said}");
    }
}

async fn of_several_servers_the_first_that_takes_writes_is_used(db: &Db) {
    let cable = Cable::to(db).await;
    let mut world = World::new(db, Faults::default()).await;
    world.insert(&lanes(1)[0], &goods(0, 20)).await;
    // Nobody listens at the first address.
    let several = cable
        .url
        .replacen("@127.0.0.1:", "@127.0.0.1:1,127.0.0.1:", 1);
    world.set("database.url", &several);
    world.deliver().await;
    assert_eq!(world.with_status("succeeded").await, 20);
    let ended = world.run(&["doctor"]).await;
    let port = url::Url::parse(&cable.url).unwrap().port().unwrap();
    assert!(
        ended.out.contains(&format!("answers at 127.0.0.1:{port}")),
        "{}",
        ended.out
    );
}

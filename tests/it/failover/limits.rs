//! Limits that a server has set for the courier's user.

use std::time::Duration;

use contact_courier::outbox::{Outbox, PostgresOutbox};
use url::Url;
use uuid::Uuid;

use crate::support::Db;

/// A user of the server's who may do what the courier does.
struct User<'a> {
    db: &'a Db,
    name: String,
}

impl<'a> User<'a> {
    async fn new(db: &'a Db) -> Self {
        let name = format!("u{}", &Uuid::now_v7().simple().to_string()[20..]);
        db.execute(&format!("CREATE ROLE {name} LOGIN")).await;
        db.execute(&format!(
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}"
        ))
        .await;
        Self { db, name }
    }

    fn url(&self) -> String {
        let mut url = Url::parse(&self.db.url).expect("a URL");
        url.set_username(&self.name).expect("a user");
        url.into()
    }

    async fn leave(self) {
        let name = &self.name;
        self.db.execute(&format!("DROP OWNED BY {name}")).await;
        self.db.execute(&format!("DROP ROLE {name}")).await;
    }
}

#[tokio::test]
async fn a_role_whose_idle_sessions_are_ended_keeps_the_couriers() {
    let db = Db::postgres().await;
    // From PostgreSQL 14 on.
    let known = "FROM pg_settings WHERE name = 'idle_session_timeout'";
    if db.count(known).await == 0 {
        return;
    }
    let user = User::new(&db).await;
    let limit = "SET idle_session_timeout = '200ms'";
    db.execute(&format!("ALTER ROLE {} {limit}", user.name))
        .await;
    let outbox = PostgresOutbox::connect(&user.url(), 2)
        .await
        .expect("connects");
    outbox.newest().await.expect("a session");
    let mine = format!("FROM pg_stat_activity WHERE usename = '{}'", user.name);
    crate::world::until("only the pool's session is left", async || {
        db.count(&mine).await == 1
    })
    .await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(db.count(&mine).await, 1, "the server has ended the session");
    outbox.close().await;
    user.leave().await;
}

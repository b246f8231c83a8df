//! A user of the server's other than the tests'.

use url::Url;
use uuid::Uuid;

use crate::support::{Db, Kind};

/// A user of the server's who may do what the courier does.
pub(super) struct User<'a> {
    pub(super) db: &'a Db,
    pub(super) name: String,
}

impl<'a> User<'a> {
    pub(super) async fn new(db: &'a Db, limit: &str) -> Self {
        let name = format!("u{}", &Uuid::now_v7().simple().to_string()[20..]);
        let (create, grant) = if db.kind == Kind::Postgres {
            (
                format!("CREATE ROLE {name} LOGIN {limit}"),
                format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}"),
            )
        } else {
            (
                format!("CREATE USER {name} {limit}"),
                format!("GRANT ALL ON * TO {name}"),
            )
        };
        db.execute(&create).await;
        db.execute(&grant).await;
        Self { db, name }
    }

    pub(super) fn url(&self) -> String {
        let mut url = Url::parse(&self.db.url).expect("a URL");
        url.set_username(&self.name).expect("a user");
        url.into()
    }

    pub(super) async fn leave(self) {
        let name = &self.name;
        if self.db.kind == Kind::Postgres {
            self.db.execute(&format!("DROP OWNED BY {name}")).await;
            self.db.execute(&format!("DROP ROLE {name}")).await;
        } else {
            self.db.execute(&format!("DROP USER {name}")).await;
        }
    }
}

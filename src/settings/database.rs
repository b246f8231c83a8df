//! `[database]`: where the outbox table is.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::error::Faults;
use super::key::{Key, Kind};
use super::shown::HIDDEN;
use crate::hosts;

pub(super) const KEYS: &[Key] = &[
    Key::new("database.url", Kind::Text),
    Key::new("database.max_connections", Kind::Whole),
    Key::new("database.auto_migrate", Kind::Switch),
];

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseSettings {
    /// The database of the outbox table: `sqlite://FILE`, `postgres://USER:PASSWORD@HOST/NAME` or
    /// `mysql://USER:PASSWORD@HOST/NAME`. Several servers (`HOST:PORT,HOST:PORT`) are tried in turn
    /// until one takes writes. Default `sqlite://contact-courier.db`.
    pub url: DatabaseUrl,
    /// At most so many connections at once; at least 2. Default 8.
    pub max_connections: u32,
    /// Whether missing migrations are applied at start; otherwise `migrate` has to be called.
    /// Default true.
    pub auto_migrate: bool,
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self {
            url: DatabaseUrl("sqlite://contact-courier.db".into()),
            max_connections: 8,
            auto_migrate: true,
        }
    }
}

impl DatabaseSettings {
    pub(super) fn check(&self, faults: &mut Faults) {
        faults.demand(
            self.url.kind().is_some(),
            "database.url",
            &self.url,
            "write sqlite://…, postgres://… or mysql://…",
        );
        let is_server = matches!(
            self.url.kind(),
            Some(DatabaseKind::Postgres | DatabaseKind::MySql)
        );
        if let (true, Err(error)) = (is_server, hosts::split(self.url.expose())) {
            faults.demand(false, "database.url", &self.url, &error.to_string());
        }
        // With one connection a reader would wait for the writer that waits for it.
        faults.demand(
            self.max_connections >= 2,
            "database.max_connections",
            self.max_connections,
            "must be at least 2",
        );
    }
}

/// The databases that this program speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    /// `sqlite:`.
    Sqlite,
    /// `postgres:` or `postgresql:`.
    Postgres,
    /// `mysql:` or `mariadb:`.
    MySql,
}

/// The address of a database. It prints itself without the password that it may hold.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Takes an address over as it is.
    pub fn new(url: impl Into<String>) -> Self {
        Self(url.into())
    }

    /// The address with its password: for connecting, never for people's eyes.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Which database it is of; `None`: none that this program speaks.
    pub fn kind(&self) -> Option<DatabaseKind> {
        match self.scheme() {
            "sqlite" => Some(DatabaseKind::Sqlite),
            "postgres" | "postgresql" => Some(DatabaseKind::Postgres),
            "mysql" | "mariadb" => Some(DatabaseKind::MySql),
            _ => None,
        }
    }

    /// Whether it names several servers.
    pub fn names_several(&self) -> bool {
        let is_file = self.kind() == Some(DatabaseKind::Sqlite);
        !is_file && hosts::split(&self.0).is_ok_and(|hosts| hosts.len() > 1)
    }

    fn scheme(&self) -> &str {
        self.0.split_once(':').map_or("", |(scheme, _)| scheme)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(&self.0))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Hides whatever may be a password. It looks for the last `@` of all, since people forget to
/// escape a `/`, `?` or `@` in a password: rather too much is hidden than too little.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        let plain = !url.contains('@') && !url.contains("password");
        return if plain { url.into() } else { HIDDEN.into() };
    };
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => match user.split_once(':') {
            Some((name, _)) => (format!("{name}:{HIDDEN}@"), rest),
            None => (format!("{user}@"), rest),
        },
        None => (String::new(), rest),
    };
    let Some((place, query)) = rest.split_once('?') else {
        return format!("{scheme}://{user}{rest}");
    };
    let query: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if name.to_ascii_lowercase().contains("password") => {
                format!("{name}={HIDDEN}")
            }
            _ => pair.to_owned(),
        })
        .collect();
    format!("{scheme}://{user}{place}?{}", query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hidden_however_it_is_written() {
        for (url, shown) in [
            ("postgres://me:pw@db/x", "postgres://me:***@db/x"),
            ("postgres://me:p/w@db/x", "postgres://me:***@db/x"),
            ("postgres://me:p@w?x@db/x", "postgres://me:***@db/x"),
            (
                "postgres://db/x?user=me&password=pw&sslmode=require",
                "postgres://db/x?user=me&password=***&sslmode=require",
            ),
            ("mysql://me:p#w@db/x", "mysql://me:***@db/x"),
            (
                "mariadb://me:pw@db/x?socket=/run/mysqld/mysqld.sock",
                "mariadb://me:***@db/x?socket=/run/mysqld/mysqld.sock",
            ),
            ("postgres://me:pw@a:1,b:2/x", "postgres://me:***@a:1,b:2/x"),
            ("mysql://me:p,w@a,[::1]/x", "mysql://me:***@a,[::1]/x"),
            ("postgres://me:p/w@a:1,b/x", "postgres://me:***@a:1,b/x"),
            ("postgres://me:pw@a,me:pw@b/x", "postgres://me:***@b/x"),
            ("postgres:me:pw@db", "***"),
            ("postgres://me@db/x", "postgres://me@db/x"),
            ("sqlite://contact-courier.db", "sqlite://contact-courier.db"),
        ] {
            let url = DatabaseUrl::new(url);
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("DatabaseUrl({shown})"));
        }
    }
}

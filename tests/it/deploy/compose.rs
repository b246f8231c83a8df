//! The compositions for Docker, one for each database: the files that they take from this folder
//! are there, no password is known or stands in the environment, and the database users that they
//! make can deliver.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use contact_courier::simulator::Faults;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection};
use tempfile::TempDir;
use url::Url;

use super::monitoring::{folder, promtool, read};
use super::yaml::{document, pairs, texts};
use crate::server::Server;
use crate::support::{Db, Kind, Raw, admin_url};
use crate::world::World;

/// Returns both compositions, as compose puts them together.
fn compositions() -> [Value; 2] {
    ["postgres", "mysql"].map(|database| {
        let mut all = document("docker/compose.yaml");
        merge(&mut all, document(&format!("docker/{database}.yaml")));
        all
    })
}

/// Merges as compose does: a later file's values for a key are added to the earlier ones.
fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(more)) => into.extend(more),
        (into, more) => *into = more,
    }
}

fn services(composition: &Value) -> Vec<(&str, &Value)> {
    let services = pairs(&composition["services"]);
    assert!(services.len() >= 6, "{services:?}");
    services
}

#[test]
fn every_image_has_its_version() {
    for composition in compositions() {
        for (name, service) in services(&composition) {
            let image = service["image"].as_str().unwrap();
            let version = image.split_once(':').map_or("", |(_, version)| version);
            let parts = version.trim_start_matches('v').split('.');
            let pinned = parts.clone().all(|part| part.parse::<u32>().is_ok());
            assert!(pinned && parts.count() >= 2, "{name}: {image}");
            if service["build"].is_object() {
                assert_eq!(version, env!("CARGO_PKG_VERSION"), "{name}");
            }
        }
    }
}

#[test]
fn only_one_image_of_the_dockerfile_has_no_version() {
    let dockerfile = read("docker/Dockerfile");
    // A frontend that is named would be fetched, whatever it is at that time.
    assert!(!dockerfile.contains("syntax="));
    let images = dockerfile
        .lines()
        .filter_map(|line| line.strip_prefix("FROM "));
    let images: Vec<&str> = images.filter_map(|line| line.split(' ').next()).collect();
    let [rust, bare] = images[..] else {
        panic!("{images:?}");
    };
    // It has no versions; deploy/README.md says so.
    assert!(bare.starts_with("gcr.io/distroless/cc-debian12:nonroot"));
    let version = rust
        .strip_prefix("rust:")
        .and_then(|tag| tag.split('-').next());
    let version = version.unwrap_or_default();
    assert_eq!(version.split('.').count(), 3, "{rust}");
    assert!(
        version.starts_with(env!("CARGO_PKG_RUST_VERSION")),
        "{rust}"
    );
}

#[test]
fn secrets_are_files_and_ports_are_those_of_this_host_alone() {
    for composition in compositions() {
        let files: BTreeSet<&str> = pairs(&composition["secrets"])
            .into_iter()
            .inspect(|(name, secret)| assert_eq!(secret["file"], format!("secrets/{name}")))
            .map(|(name, _)| name)
            .collect();
        for (name, service) in services(&composition) {
            let own = texts(&service["secrets"]);
            assert!(own.iter().all(|secret| files.contains(secret)), "{name}");
            for (key, value) in pairs(&service["environment"]) {
                let value = value.as_str().unwrap();
                if let Some(secret) = value.strip_prefix("/run/secrets/") {
                    assert!(own.contains(&secret), "{name}: {key}");
                }
                let is_secret = ["PASSWORD", "TOKEN"].iter().any(|word| key.contains(word));
                assert!(
                    !is_secret || value.starts_with("/run/secrets/"),
                    "{name}: {key}"
                );
                let in_address = Url::parse(value).is_ok_and(|url| url.password().is_some());
                assert!(!in_address, "{name}: {key}");
            }
            for port in texts(&service["ports"]) {
                assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
            }
        }
        let grafana = &composition["services"]["grafana"]["environment"];
        let password = &grafana["GF_SECURITY_ADMIN_PASSWORD__FILE"];
        assert_eq!(password, "/run/secrets/grafana_password");
    }
}

#[test]
fn what_a_container_mounts_of_this_folder_is_there() {
    for composition in compositions() {
        let mut found = 0;
        for (name, service) in services(&composition) {
            for mount in texts(&service["volumes"]) {
                let (from, _) = mount.split_once(':').unwrap();
                if from.starts_with('.') {
                    let path = folder().join("docker").join(from);
                    assert!(path.is_file(), "{name}: {from}");
                    assert!(mount.ends_with(":ro"), "{name}: {mount}");
                    found += 1;
                } else {
                    assert!(composition["volumes"].get(from).is_some(), "{name}: {from}");
                }
            }
        }
        assert!(found >= 8, "{found} files are mounted");
    }
    promtool(&[
        "check",
        "config",
        "--syntax-only",
        "../docker/prometheus.yml",
    ]);
}

/// The variables that an image sets by `ENV`.
fn image_environment() -> Vec<(String, String)> {
    let dockerfile = read("docker/Dockerfile");
    let (_, rest) = dockerfile.split_once("\nENV ").unwrap();
    let lines = rest.lines().map(|line| line.trim().trim_end_matches(" \\"));
    lines
        .map_while(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_program_accepts_the_settings_of_its_containers() {
    let image = image_environment();
    assert!(image.len() >= 2, "{image:?}");
    for composition in compositions() {
        for service in ["courier", "migrate"] {
            let own = pairs(&composition["services"][service]["environment"]);
            // The values that compose puts in if nobody has set the variable.
            let own = own.into_iter().map(|(key, value)| {
                let value = value.as_str().unwrap();
                let default = value
                    .split_once(":-")
                    .and_then(|(_, rest)| rest.strip_suffix('}'));
                (key.to_owned(), default.unwrap_or(value).to_owned())
            });
            let output = Command::new(env!("CARGO_BIN_EXE_contact-courier"))
                .args(["config", "--config", "/dev/null"])
                .env_clear()
                .envs(image.iter().cloned())
                .envs(own)
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(0), "{service}: {output:?}");
        }
    }
}

/// Runs a script of this folder with only these variables, and a text to read.
fn script(path: &str, variables: &[(&str, &str)], input: &str) -> Output {
    use std::io::Write as _;

    let mut child = Command::new("bash")
        .arg(folder().join(path))
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The script need not read the text.
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    child.wait_with_output().unwrap()
}

fn makes_secrets(folder: &Path, token: &str) -> Output {
    let folder = folder.to_str().unwrap();
    let variables = [("COURIER_SECRETS", folder), ("COURIER_SECRETS_OWNED", "no")];
    script("docker/secrets.sh", &variables, token)
}

/// The secrets of a folder, with a made-up token.
fn secrets() -> TempDir {
    let folder = TempDir::new().unwrap();
    let output = makes_secrets(folder.path(), "a-token");
    assert!(output.status.success(), "{output:?}");
    folder
}

#[test]
fn every_secret_is_made_once_and_the_token_is_asked_for() {
    let folder = TempDir::new().unwrap();
    let output = makes_secrets(folder.path(), "");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let folder = secrets();
    let held = || -> Vec<(String, String)> {
        let entries = std::fs::read_dir(folder.path()).unwrap();
        let entry = |entry: std::fs::DirEntry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read_to_string(entry.path()).unwrap())
        };
        let mut held: Vec<_> = entries.map(|e| entry(e.unwrap())).collect();
        held.sort();
        held
    };
    let made = held();
    let names: Vec<&str> = made.iter().map(|(name, _)| name.as_str()).collect();
    let composition = document("docker/compose.yaml");
    let mut told: Vec<&str> = pairs(&composition["secrets"])
        .iter()
        .map(|(name, _)| *name)
        .collect();
    told.sort_unstable();
    assert_eq!(names, told);
    let different: BTreeSet<&str> = made.iter().map(|(_, secret)| secret.as_str()).collect();
    assert_eq!(different.len(), made.len());
    assert!(
        made.iter()
            .all(|(name, secret)| name == "token" || secret.len() == 48)
    );
    makes_secrets(folder.path(), "another");
    assert_eq!(held(), made, "what is there stays");
}

/// The grants of the README, without the lines that only make users.
fn granted(database: &str) -> String {
    let readme = std::fs::read_to_string(folder().join("../README.md")).unwrap();
    let (_, rest) = readme.split_once(&format!("```sql {database}\n")).unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let makes_users = ["USE ", "CREATE USER ", "-- In the courier's database"];
    let lines = block.lines().filter(|line| {
        !line.is_empty() && !makes_users.iter().any(|start| line.starts_with(start))
    });
    lines.fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn the_grants_for_containers_are_those_of_the_readme() {
    for database in ["postgres", "mysql"] {
        let file = read(&format!("grants/{database}.sql"));
        let (_, grants) = file.split_once("\n\n").unwrap();
        let lines = grants.lines().filter(|line| !line.is_empty());
        let grants = lines.fold(String::new(), |text, line| text + line + "\n");
        assert!(grants.len() > 1000, "{grants}");
        assert_eq!(grants, granted(database), "deploy/grants/{database}.sql");
    }
}

/// A server made in the way of its container, with the database `shop` and the users; and their
/// passwords.
struct Made {
    kind: Kind,
    server: Server,
    secrets: TempDir,
}

impl Made {
    async fn postgres() -> Self {
        let mut server = Server::new("postgres").await;
        server.kill().await;
        // Only the administrator comes in without a password.
        let rules = "local all postgres trust\nlocal all all scram-sha-256\n";
        std::fs::write(server.dir().join("data/pg_hba.conf"), rules).unwrap();
        server.url = server.start().await;
        let mut admin = PgConnection::connect(&server.url).await.unwrap();
        sqlx::raw_sql("CREATE DATABASE shop")
            .execute(&mut admin)
            .await
            .unwrap();
        Self {
            kind: Kind::Postgres,
            server,
            secrets: secrets(),
        }
    }

    async fn mysql(kind: Kind, name: &'static str) -> Self {
        let server = Server::new(name).await;
        let mut admin = MySqlConnection::connect(&server.url).await.unwrap();
        sqlx::raw_sql("CREATE DATABASE shop")
            .execute(&mut admin)
            .await
            .unwrap();
        Self {
            kind,
            server,
            secrets: secrets(),
        }
    }

    /// Runs a script of the container, which has to succeed.
    fn runs(&self, name: &str) {
        let (place, family) = match self.kind {
            Kind::Postgres => (self.server.dir().to_owned(), "postgres"),
            _ => (self.server.dir().join("socket"), "mysql"),
        };
        let place = place.to_str().unwrap();
        let home = self.secrets.path().to_str().unwrap();
        // The client of this machine may have another socket in its settings; the last setting
        // wins.
        let client = format!("[client]\nsocket={place}\n");
        std::fs::write(self.secrets.path().join(".my.cnf"), client).unwrap();
        let grants = folder().join(format!("grants/{family}.sql"));
        let variables = [
            ("SECRETS", home),
            ("HOME", home),
            ("GRANTS", grants.to_str().unwrap()),
            ("PGHOST", place),
            ("PGDATABASE", "shop"),
            ("POSTGRES_USER", "postgres"),
            ("POSTGRES_DB", "shop"),
            ("MYSQL_DATABASE", "shop"),
        ];
        let output = script(&format!("docker/{family}/{name}"), &variables, "");
        assert!(output.status.success(), "{name}: {output:?}");
    }

    fn url(&self, user: &str) -> String {
        let mut url = Url::parse(&self.server.url).unwrap();
        url.set_path("shop");
        url.set_username(user).unwrap();
        url.into()
    }

    fn password(&self, of: &str) -> String {
        self.secrets
            .path()
            .join(format!("{of}_password"))
            .to_str()
            .unwrap()
            .to_owned()
    }

    /// The database, as its administrator sees it.
    async fn db(&self) -> Db {
        match self.kind {
            Kind::Postgres => Db::postgres_at(self.url("postgres")).await,
            kind => Db::mysql_at(kind, self.url("root")).await,
        }
    }

    /// Runs SQL as an app.
    async fn app(&self, sql: &str) {
        let mut url = Url::parse(&self.url("app")).unwrap();
        let password = std::fs::read_to_string(self.password("app")).unwrap();
        url.set_password(Some(&password)).unwrap();
        let sql = AssertSqlSafe(sql.to_owned());
        if self.kind == Kind::Postgres {
            let mut app = PgConnection::connect(url.as_str()).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut app).await.unwrap();
        } else {
            let mut app = MySqlConnection::connect(url.as_str()).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut app).await.unwrap();
        }
    }
}

/// How many users have a right on the whole server, besides its administrator and its own users.
async fn powerful(db: &Db) -> i64 {
    let counted = match &db.raw {
        Raw::Postgres(pool) => {
            let sql = "SELECT count(*) FROM pg_roles WHERE rolname IN ('courier_owner', 'courier', 'app', 'viewer')
                AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)";
            sqlx::query_scalar(sql).fetch_one(pool).await
        }
        Raw::MySql(pool) => {
            let sql = "SELECT count(*) FROM information_schema.user_privileges
                WHERE privilege_type <> 'USAGE' AND grantee NOT REGEXP '^.(root|mysql|mariadb)'";
            sqlx::query_scalar(sql).fetch_one(pool).await
        }
        Raw::Sqlite(_) => unreachable!("no server"),
    };
    counted.unwrap()
}

/// Runs the steps in the order of the composition: users, tables, rights, and then a contact.
async fn delivers(made: Made) {
    made.runs("users.sh");
    let db = made.db().await;
    assert_eq!(powerful(&db).await, 0);
    let mut world = World::new(&db, Faults::default()).await;
    world.set("database.url", &made.url("courier_owner"));
    world.set("database.password_file", &made.password("owner"));
    // Again, as after an upgrade.
    for _ in 0..2 {
        let ended = world.run(&["migrate"]).await;
        assert_eq!(ended.code, Some(0), "{}", ended.tail());
        made.runs("grants.sh");
    }
    let insert =
        "INSERT INTO contact_outbox (user_id, task_id, phone) VALUES ('u', 't', '13012121211')";
    made.app(insert).await;
    world.set("database.url", &made.url("courier"));
    world.set("database.password_file", &made.password("courier"));
    world.set("database.auto_migrate", "false");
    world.deliver().await;
    assert_eq!(world.with_status("succeeded").await, 1);
}

#[tokio::test]
async fn the_users_of_the_composition_deliver_on_postgresql() {
    if admin_url(Kind::Postgres).is_some() {
        delivers(Made::postgres().await).await;
    }
}

#[tokio::test]
async fn the_users_of_the_composition_deliver_on_mariadb() {
    if admin_url(Kind::MariaDb).is_some() {
        delivers(Made::mysql(Kind::MariaDb, "mariadb").await).await;
    }
}

#[tokio::test]
async fn the_users_of_the_composition_deliver_on_mysql() {
    if admin_url(Kind::MySql).is_some() {
        delivers(Made::mysql(Kind::MySql, "mysql").await).await;
    }
}

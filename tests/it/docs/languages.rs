//! The programs of the page for apps, run in each language that is installed, on the database that
//! each is written for.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use sqlx::{AssertSqlSafe, Connection, MySqlConnection};
use tempfile::TempDir;
use url::Url;

use super::{shop, snippet};
use crate::server::Server;
use crate::support::{Db, Kind, admin_url, on_mysql_and_mariadb};

on_mysql_and_mariadb!(the_programs_for_mysql_insert_one_row_and_read_the_result);

const PAGE: &str = "docs/from-an-app.md";

/// The places of Debian's JDBC driver and Go packages.
const JDBC: &str = "/usr/share/java/mariadb-java-client.jar";
const GO_PATH: &str = "/usr/share/gocode";

/// Writes a contact's row as if the platform had refused it.
const REFUSED: &str = "UPDATE contact_outbox SET status = 'failed', fail_kind = 'rejected',
    fail_cause = 'no such number', finished_at = CURRENT_TIMESTAMP";

/// Reports that a program was not tried, here and in the last lines of `scripts/test-databases.sh`.
#[expect(clippy::print_stderr, reason = "the test harness keeps it")]
#[expect(
    clippy::disallowed_methods,
    reason = "where the lines are collected is told by the environment"
)]
fn not_run(what: &str, why: &str) {
    eprintln!("NOT RUN: {what}: {why}");
    let Ok(folder) = std::env::var("COURIER_TEST_SERVERS") else {
        return;
    };
    let collected = Path::new(&folder).join("not-run");
    let mut collected = File::options()
        .append(true)
        .create(true)
        .open(collected)
        .unwrap();
    writeln!(collected, "{what}: {why}").unwrap();
}

/// Runs a program twice, the second time when its contact has failed. The program makes one row,
/// and tells why the contact failed.
async fn inserts_once_and_reads(db: &Db, name: &str, run: impl Fn() -> Output) {
    db.execute("DELETE FROM contact_outbox").await;
    let said = |output: &Output| {
        let text = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        format!("{}{}", text[0], text[1])
    };
    let first = run();
    assert!(first.status.success(), "{name}: {}", said(&first));
    let key = db.text(
        "idempotency_key",
        "FROM contact_outbox WHERE status = 'pending'",
    );
    assert_eq!(key.await.as_deref(), Some("order-1001"), "{name}");
    db.execute(REFUSED).await;
    let again = run();
    assert!(again.status.success(), "{name}: {}", said(&again));
    let told = said(&again);
    assert!(
        told.contains("rejected") && told.contains("no such number"),
        "{name}: {told}"
    );
    assert_eq!(db.count("FROM contact_outbox").await, 1, "{name}");
}

/// Whether a command is installed and its output has this word.
fn says(command: &mut Command, word: &str) -> bool {
    let asked = command.stderr(Stdio::piped()).output();
    asked.is_ok_and(|asked| String::from_utf8_lossy(&asked.stdout).contains(word))
}

fn has_go(driver: &str) -> bool {
    let driver = Path::new(GO_PATH).join("src/github.com").join(driver);
    says(Command::new("go").arg("version"), "go version") && driver.exists()
}

#[tokio::test]
async fn the_python_program_inserts_one_row_and_reads_the_result() {
    if !says(Command::new("python3").arg("--version"), "Python") {
        not_run("the program in Python", "there is no python3");
        return;
    }
    let (folder, _) = shop().await;
    let file = folder.path().join("shop.db");
    let db = Db::sqlite_at(format!("sqlite://{}", file.display())).await;
    let run = || {
        let mut python = Command::new("python3");
        let program = snippet(PAGE, "```python");
        python.args(["-c", &program]).current_dir(folder.path());
        python.output().unwrap()
    };
    inserts_once_and_reads(&db, "Python", run).await;
}

#[tokio::test]
async fn the_go_program_for_postgres_inserts_one_row_and_reads_the_result() {
    let Some(db) = Db::on(Kind::Postgres).await else {
        not_run("the program in Go for PostgreSQL", "there is no PostgreSQL");
        return;
    };
    if !has_go("lib/pq") {
        not_run(
            "the program in Go for PostgreSQL",
            "there is no go with lib/pq",
        );
        return;
    }
    let url = Url::parse(&db.url).unwrap();
    let (_, socket) = url.query_pairs().find(|(key, _)| key == "host").unwrap();
    let (user, name) = (url.username(), url.path().trim_start_matches('/'));
    let address = format!("host={socket} user={user} dbname={name} sslmode=disable");
    let program = go(&snippet(PAGE, "```go postgres"), "postgres", &address);
    let built = build(&program);
    inserts_once_and_reads(&db, "Go", || run_built(&built)).await;
}

#[tokio::test]
async fn the_programs_for_mysql_are_named_where_no_server_runs_them() {
    let servers = [Kind::MariaDb, Kind::MySql].map(admin_url);
    if servers.iter().all(Option::is_none) {
        for language in ["PHP", "Java", "Go for MySQL"] {
            let program = format!("the program in {language}");
            not_run(&program, "there is no MySQL or MariaDB");
        }
    }
}

async fn the_programs_for_mysql_insert_one_row_and_read_the_result(tested: &Db) {
    let server = Server::on_loopback(match tested.kind {
        Kind::MariaDb => "mariadb",
        _ => "mysql",
    })
    .await;
    let mut admin = MySqlConnection::connect(&server.url).await.unwrap();
    let setup = "CREATE DATABASE shop; CREATE USER app; GRANT ALL ON shop.* TO app";
    sqlx::raw_sql(AssertSqlSafe(setup))
        .execute(&mut admin)
        .await
        .unwrap();
    let mut url = Url::parse(&server.url).unwrap();
    url.set_path("shop");
    let db = Db::mysql_at(tested.kind, url.to_string()).await;
    db.outbox.migrate().await.unwrap();
    let place = format!("127.0.0.1:{}", url.port().expect("over TCP"));
    php(&db, &place).await;
    java(&db, &place).await;
    if !has_go("go-sql-driver/mysql") {
        not_run(
            "the program in Go for MySQL",
            "there is no go with go-sql-driver/mysql",
        );
        return;
    }
    let address = format!("app@tcp({place})/shop?charset=utf8mb4");
    let built = build(&go(&snippet(PAGE, "```go mysql"), "mysql", &address));
    inserts_once_and_reads(&db, "Go", || run_built(&built)).await;
}

async fn php(db: &Db, place: &str) {
    if !says(Command::new("php").arg("-m"), "pdo_mysql") {
        not_run("the program in PHP", "there is no php with pdo_mysql");
        return;
    }
    let (host, port) = place.split_once(':').unwrap();
    let address = format!("mysql:host={host};port={port};");
    let program = snippet(PAGE, "```php").replacen("mysql:host=localhost;", &address, 1);
    assert!(program.contains(&address));
    let program = format!("$password = '';\n{program}\necho \"$status $kind $cause\";");
    let run = || Command::new("php").args(["-r", &program]).output().unwrap();
    inserts_once_and_reads(db, "PHP", run).await;
}

async fn java(db: &Db, place: &str) {
    if !says(Command::new("java").arg("--version"), "") || !Path::new(JDBC).exists() {
        not_run(
            "the program in Java",
            "there is no java with MariaDB's driver",
        );
        return;
    }
    let program = snippet(PAGE, "```java").replacen("//localhost/", &format!("//{place}/"), 1);
    assert!(program.contains(place));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Snippet.java");
    let class = format!(
        "import java.sql.*;\nclass Snippet {{ public static void main(String[] arguments) throws \
         Exception {{\nString password = \"\";\n{program}\n}} }}"
    );
    std::fs::write(&file, class).unwrap();
    let run = || {
        let mut java = Command::new("java");
        java.args(["-cp", JDBC]).arg(&file).output().unwrap()
    };
    inserts_once_and_reads(db, "Java", run).await;
}

/// Makes a program out of a snippet of Go.
fn go(snippet: &str, driver: &str, address: &str) -> String {
    let (package, errors) = match driver {
        "mysql" => ("\"github.com/go-sql-driver/mysql\"", "\"errors\""),
        _ => ("_ \"github.com/lib/pq\"", ""),
    };
    format!(
        "package main\n\nimport (\n\"context\"\n\"database/sql\"\n{errors}\n\"fmt\"\n\"log\"\n{package}\n)\n
         func run(ctx context.Context, db *sql.DB) error {{\n{snippet}
         fmt.Println(status, kind.String, cause.String)\nreturn err\n}}\n
         func main() {{
             db, err := sql.Open(\"{driver}\", \"{address}\")
             if err != nil {{ log.Fatal(err) }}
             if err := run(context.Background(), db); err != nil {{ log.Fatal(err) }}
         }}\n"
    )
}

fn build(program: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("main.go"), program).unwrap();
    let built = Command::new("go")
        .args(["build", "-o", "app", "main.go"])
        .current_dir(folder.path())
        .env("GO111MODULE", "off")
        .env("GOPATH", GO_PATH)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}\n{program}");
    folder
}

fn run_built(folder: &TempDir) -> Output {
    Command::new(folder.path().join("app")).output().unwrap()
}

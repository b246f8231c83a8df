//! The program's surroundings: the simulated platform, the settings, signals, and a look at the
//! state of the rows.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use contact_courier::simulator::{Config, Faults, Running, Simulator};
use sqlx::{AssertSqlSafe, Row as _};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{self, Instant};

use crate::support::{Db, Raw};

pub(crate) const TOKEN: &str = "the-token-of-the-tests";

/// The longest wait: anything that takes longer has failed.
const DEADLINE: Duration = Duration::from_mins(1);

/// A database, a simulated platform and the settings that bring the program to both.
pub(crate) struct World<'a> {
    pub(crate) db: &'a Db,
    pub(crate) simulator: Running,
    settings: BTreeMap<String, String>,
    pub(crate) dir: TempDir,
    started: AtomicUsize,
}

impl<'a> World<'a> {
    pub(crate) async fn new(db: &'a Db, faults: Faults) -> Self {
        Self::with_seed(db, faults, Config::default().seed).await
    }

    /// The same with another seed.
    pub(crate) async fn with_seed(db: &'a Db, faults: Faults, seed: u64) -> Self {
        let simulator = Simulator::start(Config {
            token: TOKEN.into(),
            seed,
            faults,
            ..Config::default()
        })
        .await
        .expect("a simulator");
        let mut world = Self {
            db,
            settings: BTreeMap::new(),
            dir: TempDir::new().expect("a temporary directory"),
            started: AtomicUsize::new(0),
            simulator,
        };
        let base_url = world.simulator.base_url();
        for (key, value) in [
            ("database.url", db.url.as_str()),
            ("platform.base_url", base_url.as_str()),
            ("platform.token", TOKEN),
            ("rate_limit.requests_per_second", "2000"),
            ("delivery.linger", "50ms"),
            ("delivery.poll_interval", "50ms"),
            ("delivery.lease", "2s"),
            ("retry.initial_interval", "50ms"),
            ("retry.max_interval", "500ms"),
            ("log.level", "info"),
            // No port, because many programs run at once.
            ("admin.listen", ""),
        ] {
            world.set(key, value);
        }
        world
    }

    /// Changes a setting for programs that are started from now on.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.settings.insert(key.into(), value.into());
    }

    /// Makes holds longer than the test, so that all that is shown of them stands still, and so a
    /// courier's lease, so that it counts as alive however late a busy machine looks.
    pub(crate) fn holds_outlast_the_test(&mut self) {
        self.lease_outlasts_the_test();
        for key in ["retry.initial_interval", "retry.max_interval"] {
            self.set(key, "10m");
        }
    }

    /// Makes a courier count as alive from its first heartbeat on, however long the test takes.
    pub(crate) fn lease_outlasts_the_test(&mut self) {
        self.set("delivery.lease", "30m");
    }

    /// Leaves a setting to its default for programs that are started from now on.
    pub(crate) fn unset(&mut self, key: &str) {
        self.settings.remove(key);
    }

    /// Starts the program with none but our variables in its environment.
    pub(crate) fn start(&self, arguments: &[&str]) -> Program {
        self.start_by(&[], arguments)
    }

    /// The same by another program, which turns into this one: the beginning of a command line.
    pub(crate) fn start_by(&self, launcher: &[&str], arguments: &[&str]) -> Program {
        let words = [
            launcher,
            &[env!("CARGO_BIN_EXE_contact-courier")],
            arguments,
        ]
        .concat();
        let (program, arguments) = words.split_first().expect("a program");
        let nth = self.started.fetch_add(1, Ordering::Relaxed);
        let [out, err] = ["out", "err"].map(|name| self.dir.path().join(format!("{nth}.{name}")));
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(File::create(&out).expect("a file"))
            .stderr(File::create(&err).expect("a file"))
            .kill_on_drop(true);
        for (key, value) in &self.settings {
            let name = format!("COURIER__{}", key.replace('.', "__").to_uppercase());
            command.env(name, value);
        }
        Program {
            child: command.spawn().expect("the program starts"),
            out,
            err,
        }
    }

    /// Runs the program to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).ended().await
    }

    /// Delivers everything that is due, which has to succeed.
    pub(crate) async fn deliver(&self) {
        let ended = self.run(&["run", "--once"]).await;
        assert_eq!(ended.code, Some(0), "{}", ended.tail());
    }

    /// Inserts contacts as an app does, a statement with many rows for each lane.
    pub(crate) async fn insert(&self, lane: &Lane, phones: &[String]) {
        let Lane(user, task) = lane;
        let values: Vec<String> = phones
            .iter()
            .map(|phone| format!("('{user}', '{task}', '{phone}')"))
            .collect();
        let values = values.join(", ");
        self.db
            .execute(&format!(
                "INSERT INTO contact_outbox (user_id, task_id, phone) VALUES {values}"
            ))
            .await;
    }

    /// Waits until the simulator holds more than so many numbers.
    pub(crate) async fn holds_more_than(&self, numbers: u64) {
        until("the simulator holds enough", async || {
            self.simulator.totals().numbers_held > numbers
        })
        .await;
    }

    /// Returns the rows of the table, in the order of their ids.
    pub(crate) async fn rows(&self) -> Vec<Row> {
        let columns = [
            "user_id",
            "task_id",
            "phone",
            "status",
            "fail_kind",
            "fail_cause",
            "attempts",
            "batch_id",
            "finished_at",
        ];
        let table = self.table(&columns, "FROM contact_outbox ORDER BY id");
        table.await.into_iter().map(Row::from).collect()
    }

    /// Returns the rows of a query, each value as text.
    pub(crate) async fn table(&self, columns: &[&str], rest: &str) -> Vec<Vec<Option<String>>> {
        let casts: Vec<String> = columns.iter().map(|c| self.db.as_text(c)).collect();
        let sql = AssertSqlSafe(format!("SELECT {} {rest}", casts.join(", ")));
        match &self.db.raw {
            Raw::Sqlite(pool) => {
                let rows = sqlx::query(sql).fetch_all(pool).await.expect("reads");
                rows.iter()
                    .map(|row| (0..columns.len()).map(|at| row.get(at)).collect())
                    .collect()
            }
            Raw::MySql(pool) => {
                let rows = sqlx::query(sql).fetch_all(pool).await.expect("reads");
                rows.iter()
                    .map(|row| (0..columns.len()).map(|at| row.get(at)).collect())
                    .collect()
            }
            Raw::Postgres(pool) => {
                let rows = sqlx::query(sql).fetch_all(pool).await.expect("reads");
                rows.iter()
                    .map(|row| (0..columns.len()).map(|at| row.get(at)).collect())
                    .collect()
            }
        }
    }

    /// Waits until the condition, a part of SQL from `FROM` on, counts no row.
    pub(crate) async fn none(&self, rest: &str) {
        until(rest, async || self.db.count(rest).await == 0).await;
    }

    /// How many rows there are with a status.
    pub(crate) async fn with_status(&self, status: &str) -> i64 {
        self.db
            .count(&format!("FROM contact_outbox WHERE status = '{status}'"))
            .await
    }

    /// Checks that nothing is open, and that only couriers that were killed are still registered or
    /// hold a lease, which is void.
    pub(crate) async fn is_at_rest(&self, dead: i64) {
        self.has_nothing_open().await;
        assert_eq!(self.db.count("FROM courier_instance").await, dead);
    }

    /// Checks that nothing is open, and that only registered couriers hold a lease.
    pub(crate) async fn has_nothing_open(&self) {
        for rest in [
            "FROM delivery_batch WHERE state <> 'closed'",
            "FROM delivery_lane WHERE lease_owner IS NOT NULL
             AND lease_owner NOT IN (SELECT id FROM courier_instance)",
        ] {
            assert_eq!(self.db.count(rest).await, 0, "{rest}");
        }
    }
}

/// A lane: user and task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lane(pub(crate) String, pub(crate) String);

/// Lanes of two tasks to a user.
pub(crate) fn lanes(n: usize) -> Vec<Lane> {
    (0..n)
        .map(|lane| Lane(format!("user-{}", lane / 2), format!("task_{lane}")))
        .collect()
}

/// The n-th good number of a lane.
pub(crate) fn good(lane: usize, nth: usize) -> String {
    format!("13{lane:02}{nth:07}")
}

/// The first good numbers of a lane.
pub(crate) fn goods(lane: usize, n: usize) -> Vec<String> {
    (0..n).map(|nth| good(lane, nth)).collect()
}

/// A row of `contact_outbox`.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) lane: Lane,
    pub(crate) phone: String,
    pub(crate) status: String,
    pub(crate) fail_kind: Option<String>,
    pub(crate) fail_cause: Option<String>,
    pub(crate) attempts: i64,
    pub(crate) batch: Option<String>,
    pub(crate) finished: Option<String>,
}

impl From<Vec<Option<String>>> for Row {
    fn from(columns: Vec<Option<String>>) -> Self {
        let [
            user,
            task,
            phone,
            status,
            fail_kind,
            fail_cause,
            attempts,
            batch,
            finished,
        ] = <[_; 9]>::try_from(columns).expect("nine columns");
        Self {
            lane: Lane(user.unwrap(), task.unwrap()),
            phone: phone.unwrap(),
            status: status.unwrap(),
            fail_kind,
            fail_cause,
            attempts: attempts.unwrap().parse().unwrap(),
            batch,
            finished,
        }
    }
}

/// The program at work.
pub(crate) struct Program {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Program {
    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Returns its exit status, if it has ended.
    pub(crate) fn exit(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("its state")
    }

    /// Sends a signal such as `TERM`.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &pid])
            .status();
        assert!(sent.await.expect("a shell").success());
    }

    /// Ends the program as a power failure would: SIGKILL.
    pub(crate) async fn kill(mut self) {
        let ended = self.exit();
        assert_eq!(ended, None, "before it was killed: {}", tail(&self.log()));
        self.child.kill().await.expect("kills");
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> Ended {
        let Ok(status) = time::timeout(DEADLINE, self.child.wait()).await else {
            panic!("the program does not end: {}", tail(&self.log()));
        };
        Ended {
            code: status.expect("its status").code(),
            out: self.printed(),
            err: self.log(),
        }
    }

    /// Returns everything that it has written to standard error.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.err).expect("UTF-8")
    }

    /// Returns everything that it has written to standard output.
    pub(crate) fn printed(&self) -> String {
        fs::read_to_string(&self.out).expect("UTF-8")
    }

    /// Waits until it has written these words to standard error.
    pub(crate) async fn says(&self, words: &str) {
        let began = Instant::now();
        let mut beat = time::interval(Duration::from_millis(2));
        while !self.log().contains(words) {
            let log = || tail(&self.log());
            assert!(
                began.elapsed() < DEADLINE,
                "does not say {words:?}: {}",
                log()
            );
            beat.tick().await;
        }
    }
}

/// The results of the program's run.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Returns the one line that says why the program failed. Nothing else on standard error looks
    /// like an error line, and it comes last.
    pub(crate) fn error(&self) -> &str {
        assert_eq!(self.code, Some(1), "{}", self.tail());
        let lines: Vec<&str> = self
            .err
            .lines()
            .filter(|line| line.starts_with("error:"))
            .collect();
        let [line] = lines.as_slice() else {
            panic!("not one line of error: {}", self.tail());
        };
        assert_eq!(self.err.lines().last(), Some(*line));
        line
    }

    pub(crate) fn tail(&self) -> String {
        tail(&self.err)
    }
}

/// Returns the last lines of a log: the whole log would bury the important part.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// Waits for something that has no event of its own to wait for.
pub(crate) async fn until(what: &str, holds: impl AsyncFnMut() -> bool) {
    until_within(DEADLINE, what, holds).await;
}

/// The same, for conditions that may take longer than a minute.
pub(crate) async fn until_within(
    deadline: Duration,
    what: &str,
    mut holds: impl AsyncFnMut() -> bool,
) {
    let began = Instant::now();
    let mut beat = time::interval(Duration::from_millis(2));
    while !holds().await {
        assert!(began.elapsed() < deadline, "in vain: {what}");
        beat.tick().await;
    }
}

//! The contacts to deliver: made by the database itself, and always the same.

use anyhow::Result;

use crate::database::Database;
use crate::servers::Engine;

/// In each lane, one contact in so many has a number that the platform refuses.
pub(crate) const BAD_ONE_IN: u64 = 100;

/// Rows in one statement.
const CHUNK: u64 = 50_000;

/// Long rows in one statement.
const CHUNK_OF_LONG: u64 = 1_000;

/// Some contacts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contacts {
    /// How many contacts all lanes have together.
    pub(crate) count: u64,
    /// Lanes, filled in turns.
    pub(crate) lanes: u64,
    /// The first contact's number in the set of all: equal numbers are equal contacts.
    pub(crate) first: u64,
    /// Whether they are put off until tomorrow.
    pub(crate) tomorrow: bool,
    /// How many bytes each has beside its usual columns.
    pub(crate) extra_bytes: u64,
}

impl Contacts {
    /// Contacts that are due at once, in lanes from 0 on.
    pub(crate) fn due(contacts: u64, lanes: u64) -> Self {
        Self {
            count: contacts,
            lanes,
            first: 0,
            tomorrow: false,
            extra_bytes: 0,
        }
    }

    /// How many of the contacts the platform refuses, if they are the first of the set.
    pub(crate) fn bad(&self) -> u64 {
        (0..self.lanes)
            .map(|lane| {
                let in_lane = (self.count + self.lanes - 1 - lane) / self.lanes;
                (in_lane + BAD_ONE_IN - 1 - BAD_AT) / BAD_ONE_IN
            })
            .sum()
    }

    /// Inserts them.
    pub(crate) async fn insert(&self, database: &Database) -> Result<()> {
        let (mut from, end) = (self.first, self.first + self.count);
        let chunk = if self.extra_bytes > 0 {
            CHUNK_OF_LONG
        } else {
            CHUNK
        };
        while from < end {
            let to = (from + chunk).min(end);
            database
                .execute(self.statement(database.engine, from, to))
                .await?;
            from = to;
        }
        Ok(())
    }

    fn statement(&self, engine: Engine, from: u64, to: u64) -> String {
        let sql = Dialect(engine);
        let (series, rows) = sql.series(from, to);
        let nth = sql.div("s", &self.lanes.to_string());
        let lane = format!("(s % {})", self.lanes);
        let user = sql.padded(&sql.div(&lane, "5"), 4);
        let task = sql.padded(&lane, 5);
        // Each number comes once: a prime times the row's number goes through all of nine digits.
        // The digits are cut and swapped, so that neighbours sometimes have the same visible ends,
        // as in life.
        let digits = "(s * 387420489 % 1000000000)";
        let head = sql.padded(&format!("({digits} % 100000)"), 5);
        let tail = sql.padded(&sql.div(digits, "100000"), 4);
        let json = sql.json("'[{\"name\":\"订单号\",\"text\":\"A' || s || '\"}]'");
        let surname = sql.one_of("王李张刘陈杨黄赵吴周", "s");
        let given_name = sql.one_of("伟芳娜敏静强磊洋艳勇", &sql.div("s", "10"));
        let not_before = if self.tomorrow {
            sql.tomorrow()
        } else {
            "NULL"
        };
        let extra = match self.extra_bytes {
            0 => "CASE WHEN s % 5 = 0 THEN 'crm-' || s END".to_owned(),
            bytes => sql.repeated("x", bytes),
        };
        format!(
            "{series}INSERT INTO contact_outbox (user_id, task_id, phone, name, email, company, sex,
                 source_id, custom_vars, extra, not_before)
             {rows}SELECT 'u-' || {user}, 't-' || {task},
                 CASE WHEN {nth} % {BAD_ONE_IN} = {BAD_AT} THEN '12' ELSE '1' || (3 + s % 7) END
                     || {head} || {tail},
                 {surname} || {given_name},
                 CASE WHEN s % 3 = 0 THEN 'customer' || s || '@example.com' END,
                 CASE WHEN s % 2 = 0 THEN '上海' || (s % 1000) || '贸易有限公司' END,
                 s % 3,
                 CASE WHEN s % 4 = 0 THEN 7 END,
                 CASE WHEN s % 2 = 1 THEN {json} END,
                 {extra},
                 {not_before}
             FROM series"
        )
    }
}

/// The position of the bad contact in each hundred.
const BAD_AT: u64 = 37;

/// The parts of SQL in which the databases differ.
struct Dialect(Engine);

impl Dialect {
    /// Makes `series`, a table of the numbers `s` from `from` to just below `to`. Returns the text
    /// before the INSERT and the text before its SELECT.
    fn series(&self, from: u64, to: u64) -> (String, String) {
        match self.0 {
            Engine::Postgres => {
                let series = format!(
                    "WITH series AS (SELECT generate_series({from}::bigint, {to} - 1) AS s) "
                );
                (series, String::new())
            }
            Engine::MariaDb => {
                let last = to - 1;
                let series = format!("WITH series AS (SELECT seq AS s FROM seq_{from}_to_{last}) ");
                (String::new(), series)
            }
            Engine::MySql => {
                // MySQL ends a recursion after a thousand steps; the elements of a list have
                // numbers, too.
                let series = format!(
                    "WITH series AS (SELECT {from} + n - 1 AS s
                     FROM JSON_TABLE(concat('[', repeat('0,', {} - 1), '0]'),
                                     '$[*]' COLUMNS (n FOR ORDINALITY)) AS numbers) ",
                    to - from
                );
                (String::new(), series)
            }
            Engine::Sqlite => {
                let series = format!(
                    "WITH RECURSIVE series(s) AS (SELECT {from} UNION ALL SELECT s + 1 FROM series WHERE s + 1 < {to}) "
                );
                (series, String::new())
            }
        }
    }

    fn div(&self, dividend: &str, divisor: &str) -> String {
        match self.0 {
            Engine::Postgres | Engine::Sqlite => format!("({dividend} / {divisor})"),
            Engine::MariaDb | Engine::MySql => format!("({dividend} DIV {divisor})"),
        }
    }

    fn padded(&self, number: &str, width: u32) -> String {
        match self.0 {
            Engine::Postgres => format!("lpad({number}::text, {width}, '0')"),
            Engine::MariaDb | Engine::MySql => format!("lpad({number}, {width}, '0')"),
            Engine::Sqlite => format!("printf('%0{width}d', {number})"),
        }
    }

    /// One of ten characters.
    fn one_of(&self, characters: &str, number: &str) -> String {
        let at = match self.0 {
            Engine::Postgres => format!("(1 + {number} % 10)::integer"),
            Engine::MariaDb | Engine::MySql | Engine::Sqlite => format!("1 + {number} % 10"),
        };
        format!("substr('{characters}', {at}, 1)")
    }

    fn json(&self, text: &str) -> String {
        match self.0 {
            Engine::Postgres => format!("({text})::jsonb"),
            Engine::MariaDb | Engine::MySql | Engine::Sqlite => text.to_owned(),
        }
    }

    fn repeated(&self, letter: &str, times: u64) -> String {
        match self.0 {
            Engine::Postgres | Engine::MariaDb | Engine::MySql => {
                format!("repeat('{letter}', {times})")
            }
            Engine::Sqlite => format!("printf('%.{times}c', '{letter}')"),
        }
    }

    fn tomorrow(&self) -> &'static str {
        match self.0 {
            Engine::Postgres => "now() + interval '1 day'",
            Engine::MariaDb | Engine::MySql => "now(6) + INTERVAL 1 DAY",
            Engine::Sqlite => "strftime('%Y-%m-%d %H:%M:%f', 'now', '1 day')",
        }
    }
}

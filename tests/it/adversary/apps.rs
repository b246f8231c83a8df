//! Apps: they insert odd rows, and treat pending rows in forbidden ways.

use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection};

use super::numbers::{is_good, kept};
use super::seed::Dice;
use crate::support::{Db, Raw};
use crate::world::Lane;

/// Inserts rows with numbers of a lane, from the n-th on.
pub(super) async fn insert(db: &Db, lane: &Lane, numbers: std::ops::Range<u64>, dice: &mut Dice) {
    for nth in numbers {
        let row = Odd::some(lane, nth, dice);
        db.execute(&row.statement()).await;
    }
}

/// Deletes some of the pending rows of a lane.
pub(super) async fn delete_some(db: &Db, lane: &Lane, dice: &mut Dice) {
    let rest = dice.below(5);
    let Lane(user, task) = lane;
    db.execute(&format!(
        "DELETE FROM contact_outbox WHERE status = 'pending' AND user_id = '{user}'
         AND task_id = '{task}' AND id % 5 = {rest}"
    ))
    .await;
}

/// Changes pending rows of a lane, though they may be in flight.
pub(super) async fn update_some(db: &Db, lane: &Lane, dice: &mut Dice) {
    let Lane(user, task) = lane;
    let change = match dice.below(3) {
        0 => "name = 'changed'".to_owned(),
        1 => format!("extra = '{}'", "x".repeat(70_000)),
        _ => "custom_vars = '[1]'".to_owned(),
    };
    db.execute(&format!(
        "UPDATE contact_outbox SET {change} WHERE status = 'pending' AND user_id = '{user}'
         AND task_id = '{task}' AND id % 3 = 0"
    ))
    .await;
}

/// A row that a programmer would not expect.
struct Odd {
    lane: Lane,
    phone: String,
    key: String,
    columns: Vec<(&'static str, String)>,
}

impl Odd {
    fn some(lane: &Lane, nth: u64, dice: &mut Dice) -> Self {
        // Numbers with equal ends come often.
        let plain = format!("13{:03}{:06}", nth % 7, nth * 1_003 % 1_000_000);
        let (plain, phone) = match dice.below(16) {
            0 => (plain.clone(), format!("{plain} ")),
            1 => (plain.clone(), format!("+86{plain}")),
            2 => (plain.clone(), format!("86{plain}")),
            3 => {
                let wide = |c: char| char::from_u32(u32::from(c) - 48 + u32::from('０')).unwrap();
                (plain.clone(), plain.chars().map(wide).collect())
            }
            4 => (plain.clone(), plain[..7].to_owned()),
            5 => (plain.clone(), format!("{} {}", &plain[..3], &plain[3..])),
            6 => (plain.clone(), format!("12{}", &plain[2..])),
            7 => (plain.clone(), "不是号码".to_owned()),
            _ => (plain.clone(), plain),
        };
        let mut columns = Vec::new();
        match dice.below(14) {
            0 => columns.push(("skip_error", "false".into())),
            1 => columns.push(("phone_mask", "' '".into())),
            2 => columns.push(("phone_mask", format!("'{}***'", &plain[..3]))),
            3 => columns.push(("extra", format!("'{}'", "号".repeat(20_000)))),
            4 => columns.push(("name", "'😀\"\\\\'".into())),
            5 => columns.push((
                "custom_vars",
                r#"'[{"name": "n", "text": 20240101123456789012}]'"#.into(),
            )),
            6 => columns.push(("not_before", "'2020-01-01 00:00:00'".into())),
            7 => columns.push(("sub_user_id", "'sub-1'".into())),
            8 => columns.push(("ignore_crm", "true".into())),
            10 => columns.push(("number_add_suffix", "true".into())),
            9 => columns.push((
                "id",
                (1_000_000 + nth * 7 + dice.below(1 << 30)).to_string(),
            )),
            _ => {}
        }
        Self {
            lane: lane.clone(),
            phone,
            key: format!("{}-{nth}", lane.1),
            columns,
        }
    }

    fn statement(&self) -> String {
        let Lane(user, task) = &self.lane;
        let (mut names, mut values) = (String::new(), String::new());
        for (name, value) in &self.columns {
            names = names + ", " + name;
            values = values + ", " + value;
        }
        format!(
            "INSERT INTO contact_outbox (user_id, task_id, phone, idempotency_key{names})
             VALUES ('{user}', '{task}', '{}', '{}'{values})",
            self.phone, self.key
        )
    }
}

/// Returns a good number for the good lane.
pub(super) fn good(nth: usize) -> String {
    let number = format!("139{nth:08}");
    assert!(is_good(&kept(&number, false)));
    number
}

/// An app that keeps rows of a lane locked, until it is dropped. A SQLite file has no row locks.
pub(super) async fn lock(db: &Db, lane: &Lane) -> Option<Lock> {
    let Lane(user, task) = lane;
    let lock = format!(
        "SELECT id FROM contact_outbox WHERE user_id = '{user}' AND task_id = '{task}'
         AND status = 'pending' FOR UPDATE"
    );
    match &db.raw {
        Raw::Sqlite(_) => None,
        Raw::Postgres(_) => {
            let mut session = PgConnection::connect(&db.url).await.expect("connects");
            for statement in ["BEGIN", &lock] {
                let statement = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
                statement.execute(&mut session).await.expect("locks");
            }
            Some(Lock::Postgres(session))
        }
        Raw::MySql(_) => {
            let mut session = MySqlConnection::connect(&db.url).await.expect("connects");
            // Locks rows, but not the gaps between them.
            let rows = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
            let lock = format!("{rows}; BEGIN; {lock}");
            // An app repeats what another transaction came in the way of.
            while let Err(error) = sqlx::raw_sql(AssertSqlSafe(lock.clone()))
                .execute(&mut session)
                .await
            {
                assert!(error.to_string().contains("Deadlock"), "locks: {error}");
            }
            Some(Lock::MySql(session))
        }
    }
}

#[expect(dead_code, reason = "it only has to be kept")]
pub(super) enum Lock {
    Postgres(PgConnection),
    MySql(MySqlConnection),
}

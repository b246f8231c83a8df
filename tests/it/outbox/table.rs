//! The table refuses bad rows and names the broken rule.

use crate::support::{Db, Raw, on_every_database};

on_every_database!(
    a_minimal_insert_is_enough,
    a_bad_column_is_refused_by_a_rule_with_a_readable_name,
    the_same_key_is_refused_twice,
    good_rows_of_many_shapes_are_let_in,
);

async fn a_minimal_insert_is_enough(db: &Db) {
    let insert = "INSERT INTO contact_outbox (user_id, task_id, phone) VALUES ('7', 'A-b_9', '1')";
    assert_eq!(db.execute(insert).await, 1);
    let row = "FROM contact_outbox WHERE status = 'pending' AND sort = 0 AND attempts = 0
        AND not_before IS NULL AND created_at IS NOT NULL";
    assert_eq!(db.count(row).await, 1);
}

async fn refusal(db: &Db, column: &str, value: &str) -> String {
    let mut row = vec![
        ("user_id", "'u'"),
        ("task_id", "'t'"),
        ("phone", "'13912345678'"),
    ];
    row.retain(|(name, _)| *name != column);
    row.push((column, value));
    let now = db.now(0);
    if value == ODD {
        // Keeps all other rules, because a database may name any broken rule.
        row.extend([("status", "'failed'"), ("finished_at", &now)]);
    }
    let (columns, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
    let (columns, values) = (columns.join(", "), values.join(", "));
    db.try_execute(&format!(
        "INSERT INTO contact_outbox ({columns}) VALUES ({values})"
    ))
    .await
    .expect_err(value)
}

/// A `fail_kind` that does not exist.
const ODD: &str = "'odd'";

/// A column, a bad value for it, and the rule that it breaks.
type Bad = (&'static str, &'static str, &'static str);

const USER: &str = "user_id_is_1_to_64_letters_digits_underscore_or_hyphen";
const TASK: &str = "task_id_is_1_to_64_letters_digits_underscore_or_hyphen";
const INSTANT: &str = "not_before_is_utc_text_like_2030_12_31_23_59_59";
const TOO_LONG: &str = "'x1234567890123456789012345678901234567890123456789012345678901234'";

const BAD_ANYWHERE: &[Bad] = &[
    ("user_id", "''", USER),
    ("user_id", "'a/b'", USER),
    ("user_id", "'..'", USER),
    ("user_id", "'ü'", USER),
    ("user_id", "'a\n'", USER),
    ("user_id", TOO_LONG, USER),
    ("task_id", "'a b'", TASK),
    ("task_id", "'a%2f'", TASK),
    ("phone", "''", "phone_is_not_empty"),
    ("phone", "'  '", "phone_is_not_empty"),
    ("sex", "3", "sex_is_0_1_or_2"),
    ("components", "'{}'", "components_is_a_json_array"),
    ("components", "'7'", "components_is_a_json_array"),
    ("custom_vars", "'\"x\"'", "custom_vars_is_a_json_array"),
    ("idempotency_key", "''", "idempotency_key_is_not_empty"),
    ("status", "'done'", "status_is_pending_succeeded_or_failed"),
    ("fail_kind", ODD, "fail_kind_is_one_of_the_documented_kinds"),
    ("fail_kind", "'invalid'", "failed_rows_have_a_fail_kind"),
    ("status", "'succeeded'", "final_rows_have_a_finished_at"),
    ("attempts", "-1", "attempts_is_not_negative"),
];

const BAD_IN_SQLITE: &[Bad] = &[
    ("id", "0", "id_is_positive"),
    ("components", "'['", "components_is_a_json_array"),
    ("not_before", "'2030-01-01T00:00:00'", INSTANT),
    ("not_before", "'2030-01-01 00:00:00Z'", INSTANT),
    ("not_before", "'2030-01-01 00:00:00+08:00'", INSTANT),
    ("not_before", "'2030-13-01 00:00:00'", INSTANT),
    ("not_before", "'2030-01-01 00:00:00.'", INSTANT),
    ("not_before", "'2030-01-01 00:00:00.1234567'", INSTANT),
    ("not_before", "'2030-01-01'", INSTANT),
    ("not_before", "1893456000", INSTANT),
    (
        "created_at",
        "'now'",
        "created_at_is_utc_text_like_2030_12_31_23_59_59",
    ),
    ("sort", "'x'", "sort_is_an_integer"),
    ("grade_id", "1.5", "grade_id_is_an_integer"),
    ("source_id", "3000000000", "source_id_is_an_integer"),
    ("sex", "'f'", "sex_is_0_1_or_2"),
    ("skip_error", "'yes'", "skip_error_is_0_or_1"),
    ("encryption", "2", "encryption_is_0_or_1"),
    ("user_id", "'a' || char(0) || '/'", USER),
    ("phone", "x'31'", "phone_is_not_empty"),
];

const BAD_IN_MYSQL: &[Bad] = &[
    // The type says that the id is not negative, and 0 asks for the next id.
    ("id", "-1", "'id'"),
    ("components", "'['", "components_is_a_json_array"),
    ("skip_error", "2", "skip_error_is_0_or_1"),
    ("encryption", "-1", "encryption_is_0_or_1"),
    (
        "idempotency_key",
        "'k '",
        "idempotency_key_does_not_end_with_a_blank",
    ),
    ("sort", "3000000000", "'sort'"),
];

const BAD_IN_POSTGRES: &[Bad] = &[
    ("id", "0", "id_is_positive"),
    ("not_before", "'infinity'", "not_before_is_a_finite_instant"),
    (
        "created_at",
        "'-infinity'",
        "created_at_is_a_finite_instant",
    ),
];

async fn a_bad_column_is_refused_by_a_rule_with_a_readable_name(db: &Db) {
    let of_this_database = match db.raw {
        Raw::Sqlite(_) => BAD_IN_SQLITE,
        Raw::Postgres(_) => BAD_IN_POSTGRES,
        Raw::MySql(_) => BAD_IN_MYSQL,
    };
    for (column, value, rule) in BAD_ANYWHERE.iter().chain(of_this_database) {
        let error = refusal(db, column, value).await;
        assert!(error.contains(rule), "{column} = {value}: {error}");
        assert!(!error.contains("13912345678"), "{error}");
    }
    assert_eq!(db.count("FROM contact_outbox").await, 0);
}

async fn the_same_key_is_refused_twice(db: &Db) {
    db.contact_with("u/t", "1", "idempotency_key", "'k'").await;
    let error = refusal(db, "idempotency_key", "'k'").await;
    assert!(error.contains("idempotency_key"), "{error}");
    // There may be any number of rows without a key.
    db.contact("u/t", "1").await;
    db.contact("u/t", "1").await;
}

async fn good_rows_of_many_shapes_are_let_in(db: &Db) {
    for (column, value) in [
        ("sex", "NULL"),
        ("sex", "0"),
        ("components", "NULL"),
        ("components", "'[]'"),
        ("custom_vars", "'[{\"name\": \"a\", \"text\": 1}]'"),
        ("not_before", "'2030-12-31 23:59:59'"),
        ("not_before", "'2030-12-31 23:59:59.1'"),
        ("not_before", "'2030-12-31 23:59:59.123456'"),
        ("not_before", "CURRENT_TIMESTAMP"),
        ("ignore_crm", "true"),
        ("sort", "-2147483648"),
    ] {
        db.contact_with("u/t", "13912345678", column, value).await;
    }
    let longest = format!("{0}/{0}", "x".repeat(64));
    db.contact(&longest, "1").await;
}

#[tokio::test]
async fn the_greatest_id_ends_inserts_on_sqlite_until_the_documented_way_out() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/outbox-table.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let mut lines = page.lines();
    let counts = lines.find(|line| line.starts_with("UPDATE sqlite_sequence"));
    let db = Db::sqlite().await;
    db.contact("u/t", "13012121211").await;
    db.contact_with("u/t", "13012121212", "id", "9223372036854775807")
        .await;
    let insert = "INSERT INTO contact_outbox (user_id, task_id, phone) VALUES ('u', 't', '1')";
    let refused = db.try_execute(insert).await.expect_err("no id is left");
    assert!(refused.contains("full"), "{refused}");
    db.execute("DELETE FROM contact_outbox WHERE id = 9223372036854775807")
        .await;
    db.execute(counts.expect("the way out")).await;
    assert_eq!(db.contact("u/t", "13012121212").await, 2);
}

//! Inserting contacts: all or none, each key once.

use contact_courier::outbox::{Inserted, NewContact, OutboxError};

use crate::support::{Db, on_every_database};

on_every_database!(
    an_insertion_is_invisible_until_it_is_committed,
    a_dropped_insertion_leaves_nothing,
    a_known_key_is_not_inserted_again,
    a_refused_row_is_named_by_its_rule_and_not_by_its_number,
    every_column_arrives,
    ten_thousand_contacts_keep_their_order,
);

const NUMBER: &str = "13912345678";

fn contact(key: Option<&str>) -> NewContact {
    NewContact {
        user_id: "u".into(),
        task_id: "t".into(),
        phone: NUMBER.into(),
        idempotency_key: key.map(Into::into),
        ..NewContact::default()
    }
}

async fn an_insertion_is_invisible_until_it_is_committed(db: &Db) {
    let mut insertion = db.outbox.begin_insert().await.expect("begins");
    let inserted = insertion
        .add(&[contact(None), contact(None)])
        .await
        .expect("adds");
    assert_eq!(inserted, Inserted { new: 2, known: 0 });
    assert_eq!(db.count("FROM contact_outbox").await, 0);
    insertion.commit().await.expect("commits");
    assert_eq!(db.count("FROM contact_outbox").await, 2);
}

async fn a_dropped_insertion_leaves_nothing(db: &Db) {
    let mut insertion = db.outbox.begin_insert().await.expect("begins");
    insertion.add(&[contact(None)]).await.expect("adds");
    drop(insertion);
    // The next writer waits until the dropped insertion has released its locks.
    db.contact("u/t", "1").await;
    assert_eq!(db.count("FROM contact_outbox").await, 1);
}

async fn a_known_key_is_not_inserted_again(db: &Db) {
    let mut insertion = db.outbox.begin_insert().await.expect("begins");
    let rows = [contact(Some("a")), contact(Some("b")), contact(Some("a"))];
    let inserted = insertion.add(&rows).await.expect("adds");
    assert_eq!(inserted, Inserted { new: 2, known: 1 });
    insertion.commit().await.expect("commits");

    let mut insertion = db.outbox.begin_insert().await.expect("begins");
    let rows = [contact(Some("b")), contact(Some("c")), contact(None)];
    let inserted = insertion.add(&rows).await.expect("adds");
    assert_eq!(inserted, Inserted { new: 2, known: 1 });
    insertion.commit().await.expect("commits");
    assert_eq!(db.count("FROM contact_outbox").await, 4);
}

async fn a_refused_row_is_named_by_its_rule_and_not_by_its_number(db: &Db) {
    let mut insertion = db.outbox.begin_insert().await.expect("begins");
    let bad = NewContact {
        sex: Some(3),
        ..contact(None)
    };
    let error = insertion
        .add(&[contact(None), bad])
        .await
        .expect_err("refused");
    assert!(matches!(error, OutboxError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("sex_is_0_1_or_2"), "{error}");
    assert!(!format!("{error} {error:?}").contains(NUMBER), "{error:?}");
    drop(insertion);
    assert_eq!(db.count("FROM contact_outbox").await, 0);
}

async fn every_column_arrives(db: &Db) {
    let whole = NewContact {
        name: Some("张三".into()),
        email: Some("e".into()),
        company: Some("c".into()),
        sex: Some(1),
        sort: Some(9),
        source_id: Some(2),
        industry_id: Some(3),
        grade_id: Some(4),
        components: Some("[1]".into()),
        custom_vars: Some("[2]".into()),
        extra: Some("x".into()),
        sub_user_id: Some("s".into()),
        control_select_robot: Some("r".into()),
        ignore_crm: Some(false),
        skip_error: Some(true),
        number_add_suffix: Some(false),
        encryption: Some(true),
        phone_mask: Some("1***2".into()),
        not_before: Some("2020-01-02 03:04:05.678".into()),
        ..contact(Some("k"))
    };
    let mut insertion = db.outbox.begin_insert().await.expect("begins");
    insertion.add(&[whole]).await.expect("adds");
    insertion.commit().await.expect("commits");
    let (components, custom_vars) = (db.as_text("components"), db.as_text("custom_vars"));
    let same = format!(
        "FROM contact_outbox WHERE phone = '13912345678' AND name = '张三' AND email = 'e'
        AND company = 'c' AND sex = 1 AND sort = 9 AND source_id = 2 AND industry_id = 3
        AND grade_id = 4 AND {components} = '[1]' AND {custom_vars} = '[2]'
        AND extra = 'x' AND sub_user_id = 's' AND control_select_robot = 'r' AND NOT ignore_crm
        AND skip_error AND NOT number_add_suffix AND encryption AND phone_mask = '1***2'
        AND idempotency_key = 'k' AND not_before = '2020-01-02 03:04:05.678'"
    );
    assert_eq!(db.count(&same).await, 1);
}

async fn ten_thousand_contacts_keep_their_order(db: &Db) {
    let rows: Vec<_> = (0..10_000)
        .map(|n| NewContact {
            sort: Some(n),
            ..contact(None)
        })
        .collect();
    let mut insertion = db.outbox.begin_insert().await.expect("begins");
    insertion.add(&rows).await.expect("adds");
    insertion.commit().await.expect("commits");
    let disordered = "FROM (SELECT sort + 1 <> row_number() OVER (ORDER BY id) AS shifted
        FROM contact_outbox) AS shifts WHERE shifted";
    assert_eq!(db.count(disordered).await, 0);
    assert_eq!(db.count("FROM contact_outbox").await, 10_000);
}

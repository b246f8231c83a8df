//! Wrong input, and how people are told of it.

use std::fs;

use contact_courier::simulator::Faults;

use super::load::table_and_platform_agree;
use super::world::{World, good};
use crate::support::{Db, on_every_database};

on_every_database!(
    the_database_refuses_a_bad_row_in_the_words_of_the_rule,
    a_file_with_one_broken_line_inserts_nothing_and_the_line_is_named,
    good_files_are_enqueued_once_however_often_and_then_delivered,
);

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_named_with_what_to_do() {
    let db = Db::sqlite().await;
    let mut world = World::new(&db, Faults::default()).await;
    let nowhere = world.dir.path().join("no-such-folder");
    let nowhere = nowhere.display();
    for url in [
        format!("postgres://postgres@localhost/courier?host={nowhere}"),
        "postgres://postgres:hunter2@127.0.0.1:1/courier".to_owned(),
        format!("mysql://root@localhost/courier?socket={nowhere}/socket"),
        "mysql://root:hunter2@127.0.0.1:1/courier".to_owned(),
        format!("sqlite://{nowhere}/outbox.db"),
    ] {
        world.set("database.url", &url);
        let ended = world.run(&["run", "--once"]).await;
        let said = ended.error();
        assert!(said.contains("database.url"), "{url}: {said}");
        assert!(!ended.err.contains("hunter2"), "{}", ended.err);
    }
}

async fn the_database_refuses_a_bad_row_in_the_words_of_the_rule(db: &Db) {
    for (user, phone, rule) in [
        (
            "a/b",
            "13012121211",
            "user_id_is_1_to_64_letters_digits_underscore_or_hyphen",
        ),
        ("u", "", "phone_is_not_empty"),
    ] {
        let said = db
            .try_execute(&format!(
                "INSERT INTO contact_outbox (user_id, task_id, phone)
                 VALUES ('u', 't', '13012121212'), ('{user}', 't', '{phone}')"
            ))
            .await
            .expect_err("refused");
        assert!(said.contains(rule), "{said}");
    }
    assert_eq!(db.count("FROM contact_outbox").await, 0);
}

/// Returns a header on line 1 and contacts behind it.
fn csv(lines: usize, broken: Option<usize>) -> String {
    (2..=lines).fold("phone,sex,idempotency_key\n".to_owned(), |text, line| {
        let sex = if broken == Some(line) { "x" } else { "1" };
        text + &format!("{},{sex},csv-{line}\n", good(1, line))
    })
}

async fn a_file_with_one_broken_line_inserts_nothing_and_the_line_is_named(db: &Db) {
    let world = World::new(db, Faults::default()).await;
    fs::write(world.dir.path().join("contacts.csv"), csv(60, Some(37))).unwrap();
    let ended = world
        .run(&[
            "enqueue",
            "contacts.csv",
            "--user-id",
            "u",
            "--task-id",
            "t",
        ])
        .await;
    let said = ended.error();
    assert!(said.contains("nothing was enqueued"), "{said}");
    assert!(
        ended.err.contains("line 37, column sex:"),
        "{}",
        ended.tail()
    );
    assert_eq!(db.count("FROM contact_outbox").await, 0);
}

async fn good_files_are_enqueued_once_however_often_and_then_delivered(db: &Db) {
    let world = World::new(db, Faults::default()).await;
    fs::write(world.dir.path().join("contacts.csv"), csv(151, None)).unwrap();
    let json = (0..150).fold(String::new(), |text, nth| {
        let phone = good(2, nth);
        text + &format!(
            "{{\"phone\":\"{phone}\",\"task_id\":\"t2\",\"idempotency_key\":\"json-{nth}\"}}\n"
        )
    });
    fs::write(world.dir.path().join("contacts.jsonl"), json).unwrap();
    for enqueued in [150, 0] {
        for file in ["contacts.csv", "contacts.jsonl"] {
            let ended = world
                .run(&[
                    "enqueue",
                    file,
                    "--user-id",
                    "u",
                    "--task-id",
                    "t",
                    "--json",
                ])
                .await;
            assert_eq!(ended.code, Some(0), "{}", ended.tail());
            let answer: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
            assert_eq!(answer["enqueued"], enqueued, "{answer}");
            assert_eq!(answer["known"], 150 - enqueued, "{answer}");
        }
    }
    world.deliver().await;
    assert_eq!(world.with_status("succeeded").await, 300);
    table_and_platform_agree(&world, &world.rows().await);
    world.is_at_rest(0).await;
}

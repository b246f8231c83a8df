//! Long rows: how much of them is read, and where a page ends.

use contact_courier::contact::OutboxRow;
use contact_courier::outbox::{Change, Cursor, Page, PageLimit};

use crate::support::{Db, entry, lane, on_every_database};

on_every_database!(
    a_row_as_long_as_a_contact_may_be_comes_whole,
    of_a_longer_row_the_long_text_is_not_read,
    texts_that_are_too_long_together_are_not_all_read,
    a_page_ends_with_the_row_that_brings_it_to_its_bytes,
    rows_that_were_put_off_count_for_the_page_too,
    the_long_text_of_an_adopted_row_is_not_read_either,
);

/// The default limit to the bytes that the outbox reads of a contact.
const LONGEST: usize = 65_536;

const PHONE: &str = "13012121211";

async fn read(db: &Db, cursor: &Cursor, bytes: u64) -> Page {
    let limit = PageLimit { rows: 100, bytes };
    let lane = lane("u/t");
    let page = db.outbox.read_page(&lane, cursor, limit).await;
    page.expect("a page")
}

async fn only_row(db: &Db) -> OutboxRow {
    let mut page = read(db, &Cursor::default(), u64::MAX).await;
    assert_eq!((page.rows.len(), page.end), (1, true));
    page.rows.remove(0)
}

/// A quoted text of so many bytes, in characters of three.
fn text(bytes: usize) -> String {
    format!("'{}{}'", "号".repeat(bytes / 3), "x".repeat(bytes % 3))
}

async fn a_row_as_long_as_a_contact_may_be_comes_whole(db: &Db) {
    let extra = text(LONGEST - PHONE.len());
    db.contact_with("u/t", PHONE, "extra", &extra).await;
    let row = only_row(db).await;
    assert_eq!(row.bytes, LONGEST as u64);
    assert_eq!(format!("'{}'", row.extra.expect("a text")), extra);
}

async fn of_a_longer_row_the_long_text_is_not_read(db: &Db) {
    for column in [
        "phone",
        "name",
        "email",
        "company",
        "sub_user_id",
        "control_select_robot",
        "phone_mask",
        "extra",
        "components",
        "custom_vars",
    ] {
        db.execute("DELETE FROM contact_outbox").await;
        let is_json = ["components", "custom_vars"].contains(&column);
        let long = if is_json {
            format!(r#"'["{}"]'"#, "x".repeat(LONGEST))
        } else {
            text(LONGEST + 1)
        };
        let phone = if column == "phone" {
            long.trim_matches('\'')
        } else {
            PHONE
        };
        let sex = ("sex", "1");
        let (column, value) = if column == "phone" {
            sex
        } else {
            (column, long.as_str())
        };
        db.contact_with("u/t", phone, column, value).await;
        let row = only_row(db).await;
        assert!(row.bytes > LONGEST as u64, "{column}: {}", row.bytes);
        let texts = [
            Some(row.phone),
            row.name,
            row.email,
            row.company,
            row.sub_user_id,
            row.control_select_robot,
            row.phone_mask,
            row.extra,
            row.components,
            row.custom_vars,
        ];
        let bytes: usize = texts.iter().flatten().map(String::len).sum();
        assert!(bytes <= PHONE.len(), "{column}: {bytes} were read");
    }
}

async fn texts_that_are_too_long_together_are_not_all_read(db: &Db) {
    let name = text(40_000);
    let row = db.contact_with("u/t", PHONE, "name", &name).await;
    let extra = text(30_000);
    db.execute(&format!(
        "UPDATE contact_outbox SET email = 'a@b', extra = {extra} WHERE id = {row}"
    ))
    .await;
    let row = only_row(db).await;
    assert_eq!(row.bytes, 70_014);
    assert_eq!(row.name.map(|name| name.len()), Some(40_000));
    assert_eq!(row.email.as_deref(), Some("a@b"));
    assert_eq!(row.extra, None);
}

async fn a_page_ends_with_the_row_that_brings_it_to_its_bytes(db: &Db) {
    let extra = text(10_000);
    for phone in ["1", "2", "3", "4", "5"] {
        db.contact_with("u/t", phone, "extra", &extra).await;
    }
    // The surplus of a too long row in the database is not in the page.
    db.contact_with("u/t", "6", "extra", &text(LONGEST)).await;
    db.contact("u/t", "7").await;
    let mut cursor = Cursor::default();
    let mut pages = Vec::new();
    loop {
        // The session that was stopped in the middle serves the next page.
        let page = read(db, &cursor, 20_000).await;
        pages.push(page.rows.len());
        cursor = page.next;
        if page.end {
            break;
        }
    }
    assert_eq!(pages, [2, 2, 2, 1]);
    let one = read(db, &Cursor::default(), 1).await;
    assert_eq!((one.rows.len(), one.end), (1, false));
}

async fn rows_that_were_put_off_count_for_the_page_too(db: &Db) {
    let extra = text(10_000);
    let row = db.contact_with("u/t", "1", "extra", &extra).await;
    let past = db.now(-5);
    db.execute(&format!(
        "UPDATE contact_outbox SET not_before = {past} WHERE id = {row}"
    ))
    .await;
    db.contact("u/t", "2").await;
    let page = read(db, &Cursor::default(), 10_000).await;
    assert_eq!((page.rows.len(), page.end), (1, false));
    let page = read(db, &page.next, 10_000).await;
    assert_eq!((page.rows[0].phone.as_str(), page.end), ("2", true));
}

async fn the_long_text_of_an_adopted_row_is_not_read_either(db: &Db) {
    let me = db.courier().await;
    let lease = db.lease("u/t", me).await.lease;
    let row = db.contact("u/t", PHONE).await;
    db.record(&lease, &[Change::Open(entry(&[row]))]).await;
    let long = text(LONGEST);
    db.execute(&format!("UPDATE contact_outbox SET extra = {long}"))
        .await;
    let open = db.lease("u/t", me).await.open;
    let row = &open[0].rows[0];
    assert_eq!(row.bytes, (LONGEST + PHONE.len()) as u64);
    assert_eq!((row.phone.as_str(), row.extra.as_deref()), (PHONE, None));
}

//! The request as it goes out.

use serde::Serialize;

use crate::batch::Batch;
use crate::contact::{Component, Contact, CustomVar, Suffix};

/// Returns the request body of a batch.
pub fn encode(batch: &Batch) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&Body::of(batch))
}

#[expect(clippy::struct_excessive_bools, reason = "the page's own switches")]
#[derive(Serialize)]
struct Body<'a> {
    ignore_crm: bool,
    skip_error: bool,
    number_add_suffix: bool,
    encryption: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_user_id: Option<&'a str>,
    data: Vec<Number<'a>>,
}

impl<'a> Body<'a> {
    fn of(batch: &'a Batch) -> Self {
        let options = &batch.options;
        // The page's table lists the sub account per number, its first example puts it beside
        // `data`; a batch is uniform in it, so it goes into both places.
        let sub_user_id = options.sub_user_id.as_deref();
        Self {
            ignore_crm: options.ignore_crm,
            skip_error: options.skip_error,
            number_add_suffix: options.suffix == Suffix::Platform,
            encryption: options.encryption,
            sub_user_id,
            data: batch
                .contacts
                .iter()
                .map(|c| Number::of(c, sub_user_id))
                .collect(),
        }
    }
}

#[derive(Serialize)]
struct Number<'a> {
    phone: &'a str,
    sort: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    company: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sex: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    industry_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grade_id: Option<i64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    components: &'a [Component],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    custom_vars: &'a [CustomVar],
    #[serde(skip_serializing_if = "Option::is_none")]
    extra: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_user_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    control_select_robot: Option<&'a str>,
}

impl<'a> Number<'a> {
    fn of(contact: &'a Contact, sub_user_id: Option<&'a str>) -> Self {
        Self {
            phone: contact.phone.expose(),
            sort: contact.sort,
            name: contact.name.as_deref(),
            email: contact.email.as_deref(),
            company: contact.company.as_deref(),
            sex: contact.sex,
            source_id: contact.source_id,
            industry_id: contact.industry_id,
            grade_id: contact.grade_id,
            components: &contact.components,
            custom_vars: &contact.custom_vars,
            extra: contact.extra.as_deref(),
            sub_user_id,
            control_select_robot: contact.control_select_robot.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchId, Composed};
    use crate::contact::{Lane, OutboxRow, RequestDefaults};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    proptest! {
        #[test]
        fn no_request_is_longer_than_its_contacts_say(
            texts in prop::collection::vec(prop::option::of(any::<String>()), 5),
            numbers in prop::collection::vec(prop::option::of(any::<i64>()), 4),
            entries in prop::collection::vec((any::<String>(), any::<i64>()), 0..4),
            switches in any::<[bool; 4]>(),
            count in 1usize..4,
        ) {
            let list = |id: &str, value: &str| {
                let entry = |(text, number): &(String, i64)| json!({id: text, value: number});
                let entries: Vec<Value> = entries.iter().map(entry).collect();
                Some(Value::from(entries).to_string())
            };
            let row = OutboxRow {
                id: 7,
                phone: "13012121211".into(),
                name: texts[0].clone(),
                email: texts[1].clone(),
                company: texts[2].clone(),
                sub_user_id: texts[3].clone(),
                control_select_robot: texts[4].clone(),
                extra: texts[0].clone().filter(|_| !switches[0]),
                components: list("id", "value").filter(|_| !switches[0]),
                custom_vars: list("name", "text"),
                sex: numbers[0].map(|_| 1),
                sort: numbers[0].unwrap_or_default(),
                source_id: numbers[1],
                industry_id: numbers[2],
                grade_id: numbers[3],
                ignore_crm: Some(switches[0]),
                skip_error: Some(switches[1]),
                number_add_suffix: Some(switches[2]),
                encryption: Some(switches[3]),
                ..OutboxRow::default()
            };
            let contact = Contact::check(row, &RequestDefaults::default()).unwrap();
            let options = contact.options.clone();
            let said = contact.bytes * count + options.request_bytes();
            let contacts = vec![contact; count];
            let lane = Lane::new("u", "t").unwrap();
            let batch = Batch::new(BatchId::generate(), lane, Composed { options, contacts });
            let body = encode(&batch).unwrap();
            prop_assert!(body.len() <= said, "{} > {said}", body.len());
            // The estimate exceeds the length only by short numbers, and by escapes of one letter.
            let escapes = String::from_utf8_lossy(&body).matches('\\').count();
            prop_assert!(said <= body.len() + 40 + count * 130 + 4 * escapes);
        }
    }

    fn encoded(row: OutboxRow) -> Value {
        serde_json::from_str(&encoded_text(row)).unwrap()
    }

    fn encoded_text(row: OutboxRow) -> String {
        let contact = Contact::check(row, &RequestDefaults::default()).unwrap();
        let composed = Composed {
            options: contact.options.clone(),
            contacts: vec![contact],
        };
        let lane = Lane::new("u", "t").unwrap();
        let batch = Batch::new(BatchId::generate(), lane, composed);
        String::from_utf8(encode(&batch).unwrap()).unwrap()
    }

    #[test]
    fn a_minimal_row_sends_the_number_its_sort_and_the_four_switches_alone() {
        let row = OutboxRow {
            id: 1,
            phone: "13012121211".into(),
            ..OutboxRow::default()
        };
        assert_eq!(
            encoded(row),
            json!({
                "ignore_crm": false, "skip_error": true,
                "number_add_suffix": false, "encryption": false,
                "data": [{"phone": "13012121211", "sort": 0}],
            })
        );
    }

    #[test]
    fn every_field_of_the_page_is_sent_and_the_sub_account_stands_in_both_places() {
        let row = OutboxRow {
            id: 1,
            phone: "13012121211".into(),
            name: Some("联系人1".into()),
            email: Some("12345@qq.com".into()),
            company: Some("xxx公司".into()),
            sex: Some(1),
            sort: 5,
            source_id: Some(1),
            industry_id: Some(2),
            grade_id: Some(3),
            components: Some(r#"[{"id":"2a87347c","value":"小牛"}]"#.into()),
            custom_vars: Some(r#"[{"name":"自定义变量1","text":10086}]"#.into()),
            extra: Some("0c51fc89".into()),
            sub_user_id: Some("91f9254f".into()),
            control_select_robot: Some("男".into()),
            number_add_suffix: Some(true),
            encryption: Some(true),
            ..OutboxRow::default()
        };
        assert_eq!(
            encoded(row),
            json!({
                "ignore_crm": false, "skip_error": true,
                "number_add_suffix": true, "encryption": true, "sub_user_id": "91f9254f",
                "data": [{
                    "phone": "13012121211", "sort": 5, "name": "联系人1", "email": "12345@qq.com",
                    "company": "xxx公司", "sex": 1, "source_id": 1, "industry_id": 2, "grade_id": 3,
                    "components": [{"id": "2a87347c", "value": "小牛"}],
                    "custom_vars": [{"name": "自定义变量1", "text": 10086}],
                    "extra": "0c51fc89", "sub_user_id": "91f9254f", "control_select_robot": "男",
                }],
            })
        );
    }

    #[test]
    fn numbers_of_an_app_go_out_digit_by_digit() {
        let vars = r#"[{"name":"a","text":20240101123456789012},{"name":"b","text":100.00},{"name":"c","text":1e400},{"name":"d","text":true}]"#;
        let components = r#"[{"id":20240101123456789012,"value":-0.10}]"#;
        let row = OutboxRow {
            id: 1,
            phone: "13012121211".into(),
            custom_vars: Some(vars.into()),
            components: Some(components.into()),
            ..OutboxRow::default()
        };
        let sent = encoded_text(row);
        assert!(sent.contains(vars) && sent.contains(components), "{sent}");
    }
}

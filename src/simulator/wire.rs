//! The platform's JSON as its page 批量添加号码 documents it: the parts of the request that matter to an
//! import, and the answers.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::failure::{self, Failure};
use super::faults::{AnswerStyle, CountStyle, DataStyle, FailListStyle, MaskStyle};
use super::mask::masked;
use super::state::Violations;

/// "每次最多导入100条数据".
const MAX_ROWS: usize = 100;

/// A request to add numbers. Fields that the platform only stores (names, variables, …) are passed
/// over, and so are `components` and `extra` without the CRM, which the platform ignores.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a parameter of the platform's page, named as there"
)]
#[derive(Debug, Default)]
pub(super) struct ImportRequest<'a> {
    pub(super) ignore_crm: bool,
    pub(super) skip_error: bool,
    pub(super) number_add_suffix: bool,
    pub(super) encryption: bool,
    /// The sub user beside `data`, as in the page's first example.
    pub(super) sub_user_id: Option<String>,
    pub(super) rows: Vec<Row<'a>>,
}

/// One element of `data`. An empty phone counts as a missing one.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Row<'a> {
    #[serde(borrow, default)]
    pub(super) phone: Cow<'a, str>,
    pub(super) sort: Option<i64>,
    /// The sub user as in the page's table; it goes before the one beside `data`.
    pub(super) sub_user_id: Option<String>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    ignore_crm: Option<bool>,
    skip_error: Option<bool>,
    number_add_suffix: Option<bool>,
    encryption: Option<bool>,
    sub_user_id: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// A request that breaks the platform's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Complaint {
    ContentType,
    Unreadable,
    TooLarge,
    NoData,
    TooManyRows,
    /// The row, counted from 0.
    NoPhone(usize),
    /// The row, counted from 0.
    NoSort(usize),
}

impl Complaint {
    /// Returns the platform's words.
    pub(super) fn message(self) -> String {
        match self {
            Self::ContentType => "请求必须是application/json".into(),
            Self::Unreadable => "请求数据格式错误".into(),
            Self::TooLarge => "请求数据过大".into(),
            Self::NoData => "data不能为空,且必须是数组".into(),
            Self::TooManyRows => "每次最多导入100条数据".into(),
            Self::NoPhone(row) => format!("data.{row}.phone不能为空"),
            Self::NoSort(row) => format!("data.{row}.sort不能为空"),
        }
    }

    /// Returns the count of this kind of complaint.
    pub(super) fn count(self, violations: &mut Violations) -> &mut u64 {
        match self {
            Self::ContentType => &mut violations.content_type,
            Self::Unreadable => &mut violations.unreadable,
            Self::TooLarge => &mut violations.too_large,
            Self::NoData => &mut violations.no_data,
            Self::TooManyRows => &mut violations.too_many_rows,
            Self::NoPhone(_) => &mut violations.no_phone,
            Self::NoSort(_) => &mut violations.no_sort,
        }
    }
}

impl<'a> ImportRequest<'a> {
    /// Reads a body. A readable request may still be wrong: see [`Self::complaint`].
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Complaint> {
        let envelope: Envelope<'a> =
            serde_json::from_slice(body).map_err(|_| Complaint::Unreadable)?;
        let data = envelope.data.map_or("", RawValue::get);
        if !data.starts_with('[') {
            return Err(Complaint::NoData);
        }
        Ok(Self {
            // The page's defaults where the request says nothing.
            ignore_crm: envelope.ignore_crm.unwrap_or(false),
            skip_error: envelope.skip_error.unwrap_or(false),
            number_add_suffix: envelope.number_add_suffix.unwrap_or(false),
            encryption: envelope.encryption.unwrap_or(false),
            sub_user_id: envelope.sub_user_id,
            rows: serde_json::from_str(data).map_err(|_| Complaint::Unreadable)?,
        })
    }

    /// Returns what is wrong with the request as a whole, if anything is.
    pub(super) fn complaint(&self) -> Option<Complaint> {
        match self.rows.len() {
            0 => return Some(Complaint::NoData),
            1..=MAX_ROWS => {}
            _ => return Some(Complaint::TooManyRows),
        }
        self.rows.iter().enumerate().find_map(|(nth, row)| {
            if row.phone.is_empty() {
                Some(Complaint::NoPhone(nth))
            } else if row.sort.is_none() {
                Some(Complaint::NoSort(nth))
            } else {
                None
            }
        })
    }

    /// Returns the owner of the CRM pool that a row's number goes into.
    pub(super) fn owner<'r>(&'r self, row: &'r Row<'_>, user_id: &'r str) -> &'r str {
        row.sub_user_id
            .as_deref()
            .or(self.sub_user_id.as_deref())
            .filter(|id| !id.is_empty())
            .unwrap_or(user_id)
    }
}

#[derive(Serialize)]
struct Answer<'a, D> {
    code: u16,
    status: &'a str,
    message: &'a str,
    data: D,
    /// A field that no page knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<Trace>,
}

/// A field that a platform may add one day.
#[derive(Serialize)]
struct Trace {
    id: &'static str,
    hops: [u8; 2],
}

const TRACE: Trace = Trace {
    id: "not-documented",
    hops: [1, 2],
};

#[derive(Serialize)]
struct Counts<'a> {
    #[serde(rename = "taskNumberCount", skip_serializing_if = "Option::is_none")]
    task_number_count: Option<Count>,
    #[serde(rename = "crmCustomerCount", skip_serializing_if = "Option::is_none")]
    crm_customer_count: Option<Count>,
    /// Absent, null or a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    fail_datas: Option<FailDatas<'a>>,
    /// A field that no page knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Count {
    Number(usize),
    Text(String),
    Float(f64),
}

impl Count {
    fn of(count: usize, style: CountStyle) -> Option<Self> {
        match style {
            CountStyle::Numbers => Some(Self::Number(count)),
            CountStyle::Strings => Some(Self::Text(count.to_string())),
            // At most 100.
            CountStyle::Floats => u32::try_from(count).ok().map(|n| Self::Float(n.into())),
            CountStyle::Absent => None,
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum FailDatas<'a> {
    Null(()),
    List(Vec<FailData<'a>>),
}

#[derive(Serialize)]
struct FailData<'a> {
    #[serde(rename = "fail_data")]
    number: String,
    #[serde(rename = "fail_cause")]
    cause: Cow<'a, str>,
    /// A field that no page knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<u8>,
}

/// How answers about numbers are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style<'a> {
    pub(super) answer: &'a AnswerStyle,
    pub(super) mask: &'a MaskStyle,
}

impl Style<'_> {
    fn list<'f>(&self, failures: &'f [Failure<'_>]) -> Vec<FailData<'f>> {
        let remark = self.answer.extra_fields.then_some(3);
        let shown = failures.iter().map(|failure| FailData {
            number: masked(&failure.number, self.mask),
            cause: failure::said(failure.cause, &failure.number),
            remark,
        });
        shown.collect()
    }

    fn fail_datas<'f>(&self, failures: &'f [Failure<'_>]) -> Option<FailDatas<'f>> {
        match (self.answer.fail_list, failures.is_empty()) {
            (FailListStyle::Never, _) | (FailListStyle::AbsentIfEmpty, true) => None,
            (FailListStyle::NullIfEmpty, true) => Some(FailDatas::Null(())),
            _ => Some(FailDatas::List(self.list(failures))),
        }
    }

    fn trace(&self) -> Option<Trace> {
        self.answer.extra_fields.then_some(TRACE)
    }

    /// Returns the answer to an import that was done.
    pub(super) fn imported(
        &self,
        tasked: usize,
        customers: usize,
        failures: &[Failure<'_>],
    ) -> Vec<u8> {
        let message = "号码导入任务成功";
        if self.answer.data == DataStyle::EmptyList && failures.is_empty() {
            return success(message, ListOfNothing::default(), self.trace());
        }
        let data = Counts {
            task_number_count: Count::of(tasked, self.answer.counts),
            crm_customer_count: Count::of(customers, self.answer.counts),
            fail_datas: self.fail_datas(failures),
            remark: self.answer.extra_fields.then_some("not documented"),
        };
        success(message, data, self.trace())
    }

    /// Returns the answer to an import that these failures stopped, with all of them.
    pub(super) fn refused(&self, message: &str, failures: &[Failure<'_>]) -> Vec<u8> {
        let data = Counts {
            task_number_count: None,
            crm_customer_count: None,
            fail_datas: Some(FailDatas::List(self.list(failures))),
            remark: None,
        };
        encode(&Answer {
            code: 422,
            status: "error",
            message,
            data,
            trace: self.trace(),
        })
    }
}

/// Returns the answer that the token is good.
pub(super) fn token_is_good() -> Vec<u8> {
    success("token有效", ListOfNothing::default(), None)
}

/// Returns an error. Its `data` is an empty array, not an object.
pub(super) fn error(code: u16, message: &str) -> Vec<u8> {
    encode(&Answer {
        code,
        status: "error",
        message,
        data: ListOfNothing::default(),
        trace: None,
    })
}

/// Returns an answer that is a success by its code and an error by its status.
pub(super) fn contradiction() -> Vec<u8> {
    error(200, "号码导入任务成功")
}

type ListOfNothing = [(); 0];

fn success(message: &str, data: impl Serialize, trace: Option<Trace>) -> Vec<u8> {
    encode(&Answer {
        code: 200,
        status: "success",
        message,
        data,
        trace,
    })
}

fn encode(answer: &impl Serialize) -> Vec<u8> {
    // Strings, numbers and lists of them always have a JSON form, so the empty body never occurs.
    serde_json::to_vec(answer).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: Vec<u8>) -> String {
        String::from_utf8(body).unwrap()
    }

    fn failure() -> Failure<'static> {
        Failure {
            number: "911123458179".into(),
            cause: "格式不正确。",
        }
    }

    /// Returns the answer to an import of one number and one customer, in this style.
    fn imported(answer: AnswerStyle, failures: &[Failure<'_>]) -> String {
        let style = Style {
            answer: &answer,
            mask: &MaskStyle::default(),
        };
        text(style.imported(1, 1, failures))
    }

    #[test]
    fn each_style_of_an_answer_is_written_as_it_says() {
        let page = AnswerStyle::default();
        let (counts, fail_list) = (page.counts, page.fail_list);
        let said = |data, counts, fail_list| {
            let style = AnswerStyle {
                data,
                counts,
                fail_list,
                extra_fields: false,
            };
            let whole = imported(style, &[]);
            whole.split_once(r#""data":"#).unwrap().1.to_owned()
        };
        let object = DataStyle::Object;
        for (answer, expected) in [
            (said(DataStyle::EmptyList, counts, fail_list), "[]}"),
            (
                said(object, CountStyle::Strings, fail_list),
                r#"{"taskNumberCount":"1","crmCustomerCount":"1","fail_datas":[]}}"#,
            ),
            (
                said(object, CountStyle::Floats, fail_list),
                r#"{"taskNumberCount":1.0,"crmCustomerCount":1.0,"fail_datas":[]}}"#,
            ),
            (
                said(object, CountStyle::Absent, fail_list),
                r#"{"fail_datas":[]}}"#,
            ),
            (
                said(object, CountStyle::Absent, FailListStyle::NullIfEmpty),
                r#"{"fail_datas":null}}"#,
            ),
            (
                said(object, CountStyle::Absent, FailListStyle::AbsentIfEmpty),
                "{}}",
            ),
            (
                said(object, CountStyle::Absent, FailListStyle::Never),
                "{}}",
            ),
        ] {
            assert_eq!(answer, expected);
        }
    }

    #[test]
    fn failures_are_told_in_every_style_but_never() {
        for data in [DataStyle::Object, DataStyle::EmptyList] {
            for (fail_list, told) in [
                (FailListStyle::Always, true),
                (FailListStyle::NullIfEmpty, true),
                (FailListStyle::AbsentIfEmpty, true),
                (FailListStyle::Never, false),
            ] {
                let style = AnswerStyle {
                    data,
                    fail_list,
                    ..AnswerStyle::default()
                };
                assert_eq!(imported(style, &[failure()]).contains("911***8179"), told);
            }
        }
    }

    #[test]
    fn extra_fields_stand_on_every_level() {
        let style = AnswerStyle {
            extra_fields: true,
            ..AnswerStyle::default()
        };
        let answer = imported(style, &[failure()]);
        for field in [r#""trace":{"#, r#""remark":"not"#, r#""remark":3"#] {
            assert!(answer.contains(field), "{answer}");
        }
    }

    fn complaint(body: &str) -> Option<Complaint> {
        match ImportRequest::read(body.as_bytes()) {
            Ok(request) => request.complaint(),
            Err(complaint) => Some(complaint),
        }
    }

    #[test]
    fn an_import_is_answered_as_on_the_platforms_page() {
        assert_eq!(
            imported(AnswerStyle::default(), &[failure()]),
            r#"{"code":200,"status":"success","message":"号码导入任务成功","data":{"taskNumberCount":1,"crmCustomerCount":1,"fail_datas":[{"fail_data":"911***8179","fail_cause":"格式不正确。"}]}}"#
        );
    }

    #[test]
    fn an_error_has_an_empty_array_for_data() {
        assert_eq!(
            text(error(422, "x")),
            r#"{"code":422,"status":"error","message":"x","data":[]}"#
        );
    }

    #[test]
    fn the_pages_examples_are_read() {
        let body = r#"{"ignore_crm":true,"encryption":false,"skip_error":true,"sub_user_id":"s",
            "number_add_suffix":false,"data":[{"name":"联系人1","phone":"13012121211","sort":0,
            "extra":"e","components":[{"id":"c","value":"小牛"}],"custom_vars":[]}]}"#;
        let request = ImportRequest::read(body.as_bytes()).unwrap();
        assert_eq!(request.complaint(), None);
        assert!(request.ignore_crm && request.skip_error);
        assert_eq!(request.rows[0].phone, "13012121211");
        assert!(matches!(request.rows[0].phone, Cow::Borrowed(_)));
        assert_eq!(request.owner(&request.rows[0], "u"), "s");
    }

    #[test]
    fn options_that_are_absent_or_null_have_the_pages_defaults() {
        let body = r#"{"skip_error":null,"data":[{"phone":"1","sort":0,"sub_user_id":"row"}]}"#;
        let request = ImportRequest::read(body.as_bytes()).unwrap();
        assert!(!request.skip_error && !request.ignore_crm && !request.number_add_suffix);
        assert_eq!(request.owner(&request.rows[0], "u"), "row");
    }

    #[test]
    fn each_mistake_gets_its_own_complaint() {
        let rows = |n: usize| vec![r#"{"phone":"13012121211","sort":0}"#; n].join(",");
        for (body, expected) in [
            ("nonsense".to_owned(), Complaint::Unreadable),
            ("[]".to_owned(), Complaint::Unreadable),
            ("{}".to_owned(), Complaint::NoData),
            (r#"{"data":null}"#.to_owned(), Complaint::NoData),
            (r#"{"data":{"a":1}}"#.to_owned(), Complaint::NoData),
            (r#"{"data":[]}"#.to_owned(), Complaint::NoData),
            (r#"{"data":[1]}"#.to_owned(), Complaint::Unreadable),
            (
                r#"{"data":[{"phone":13012121211,"sort":0}]}"#.to_owned(),
                Complaint::Unreadable,
            ),
            (r#"{"data":[{"sort":0}]}"#.to_owned(), Complaint::NoPhone(0)),
            (
                r#"{"data":[{"phone":"","sort":0}]}"#.to_owned(),
                Complaint::NoPhone(0),
            ),
            (
                format!(r#"{{"data":[{},{{"phone":"1"}}]}}"#, rows(1)),
                Complaint::NoSort(1),
            ),
            (
                format!(r#"{{"data":[{}]}}"#, rows(101)),
                Complaint::TooManyRows,
            ),
        ] {
            assert_eq!(complaint(&body), Some(expected), "{body}");
        }
        assert_eq!(complaint(&format!(r#"{{"data":[{}]}}"#, rows(100))), None);
    }
}

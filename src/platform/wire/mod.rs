//! The JSON of the platform's page 批量添加号码: the request as it goes out, the answer as it comes in.
//! Answers are read leniently where the platform is known to vary (numbers as strings, `data` as
//! `[]`, an absent fail list), and strictly where a guess could settle a row wrongly.

mod document;
mod garbled;
mod json;
mod request;

pub(super) use self::document::LONGEST_BODY;
pub use self::document::{Document, Failure, decode};
pub use self::garbled::{is_garbled, is_page};
pub use self::request::encode;

//! A contact: one row of the outbox table, and the rules that a row must keep.
//!
//! The outbox reads an [`OutboxRow`] as the table has it. [`Contact::check`] turns it into a
//! [`Contact`], which proves that the row keeps every rule of `docs/outbox-table.md`, or names the
//! broken rule in plain English. Nothing here knows a database, a clock or the network.

mod checked;
mod identity;
mod json_bytes;
mod lane;
mod options;
mod row;
mod variables;
mod violation;

pub use checked::Contact;
pub use identity::{ContactId, Phone};
pub use lane::Lane;
pub use options::{MAX_CONTACT_BYTES, RequestDefaults, RequestOptions, Suffix};
pub use row::OutboxRow;
pub use variables::{Component, CustomVar, Scalar};
pub use violation::Violation;

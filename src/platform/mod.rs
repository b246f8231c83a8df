//! The calling platform, as the courier sees it from outside: the client that makes the call, the
//! wire types of its page 批量添加号码, and the reading of its answers. Nothing in here knows a database.

pub mod client;
mod connections;
pub mod token;
#[warn(missing_docs)]
pub mod verdict;
pub mod wire;

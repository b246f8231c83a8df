//! The address of a database: the servers that it names, the parameters behind its `?`, and how the
//! way to each server has to be secured.
//!
//! Pure: it knows no driver and no file. The settings refuse an address that it cannot read, and
//! the outbox connects by its result.

mod hosts;
mod kind;
mod parameters;
mod place;
mod shown;
mod tls;

pub(crate) use self::hosts::split;
pub use self::kind::DatabaseKind;
pub(crate) use self::parameters::Parameters;
pub use self::place::{Address, Renew};
pub(crate) use self::shown::{is_name, without_password};
pub(crate) use self::tls::in_force;
pub use self::tls::{Distance, Tls};

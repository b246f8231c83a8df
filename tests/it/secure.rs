//! The way to a database is what was asked for: real servers with certificates of an authority made for
//! the test, and servers that offer no TLS and write down what they are told.

pub(crate) mod authority;
mod database;
mod listener;
mod password;
mod platform;
mod refused;

//! The way to a database has the demanded security. The servers are real ones with certificates of
//! an authority made for the test, and others that offer no TLS and record everything that they
//! receive.

pub(crate) mod authority;
mod database;
mod listener;
mod password;
mod platform;
mod refused;

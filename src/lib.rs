//! contact-courier takes contacts out of an outbox table and delivers each once to an AI calling
//! platform.
//!
//! The data goes one way round: an app inserts a row into the [`outbox`]; the [`courier`]'s scout
//! leases its lane, reads it, checks it as a [`contact`], composes it into a [`batch`], journals
//! the batch and sends it to the [`platform`]; the verdict on the answer becomes a [`settlement`],
//! and the recorder writes that back into the row of the outbox.
//!
//! Beside that path: [`settings`] (the only reader of files and environment), [`cli`] (one file per
//! command), [`app`] (the only place that names concrete parts), [`telemetry`], [`admin`] (how
//! operators see it), and [`simulator`], the platform as a local server.
//!
//! *Absent* on purpose: no row is locked or written while its batch is under way; no HTTP call is
//! made inside a transaction; no instant of this host's clock reaches the database; nothing but the
//! verdict decides how a row ends.

pub mod address;
pub mod admin;
pub mod app;
pub mod batch;
pub mod cli;
pub mod contact;
pub mod courier;
mod host;
mod http;
mod lock;
pub mod mask;
mod nearest;
pub mod operators;
#[warn(missing_docs)]
pub mod outbox;
pub mod platform;
pub mod settings;
pub mod settlement;
pub mod simulator;
pub mod telemetry;
mod trust;
mod visible;

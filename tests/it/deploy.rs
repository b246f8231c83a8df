//! The files in `deploy/`, checked against the program and the tools that they are made for.

mod alerts;
mod compose;
mod containers;
mod elsewhere;
mod kubernetes;
mod monitoring;
mod systemd;
mod yaml;

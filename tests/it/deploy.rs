//! What is in `deploy/`, held against the program and the tools that it is made for.

mod alerts;
mod compose;
mod containers;
mod elsewhere;
mod kubernetes;
mod monitoring;
mod systemd;
mod yaml;

//! Tests that need container engines; they start the daemons they need and stop them again.
//!
//! Each test asks `DRYDOCK_CONTAINER_TESTS`: unset, it says that it is skipped; set, an engine that cannot be had is a
//! failure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "test code: a panic is a failure, and the environment says which tests run"
)]

mod apart;
mod bench;
mod calls;
mod campaign;
mod collected;
mod daemon;
mod debootstrap;
mod doctor;
mod engine_contract;
mod engines;
mod fetched;
mod killed;
mod learned;
mod mini;
mod reached;
mod registry;
mod results;
mod rootfs;
mod scenario;
mod scenarios;
mod specs;
mod stages;
mod stopped;
mod suites;
mod traces;

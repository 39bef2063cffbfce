//! Tests that need no container engine: the program's messages, exit codes and files.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod architecture;
mod changed;
mod interrupt;
mod logs;
mod make;
mod output;
mod pipeline_files;
mod remote;
mod remote_changes;
mod remote_place;
mod secrets;
mod support;

//! Drydock builds an RPM distribution in containers: toolchain images, packages and disk images.
//!
//! The modules stand in the order in which data moves; each names only those above it. Who owns which file on disk is
//! told in the README, and each path is made in [`layout`] alone.

pub mod address;
pub mod causes;
pub mod printable;
pub mod suggest;
pub mod words;
pub mod place;
pub mod tail;
pub mod pace;
pub mod removal;
pub mod scratch;
pub mod stop;
pub mod regular;
pub mod text_file;
pub mod unique;
pub mod json;
pub mod yaml;
pub mod digest;
pub mod package;
pub mod openpgp;
pub mod layout;
pub mod event;
pub mod oci;
pub mod attest;
pub mod engine;
pub mod source;
pub mod remote;
pub mod toolchain;
pub mod spec;
pub mod graph;
pub mod plan;
pub mod cache;
pub mod repo;
pub mod build;
pub mod image;
pub mod boot;
pub mod pipeline;
pub mod changed;
pub mod report;
pub mod cli;

//! The HTTP API: everything a person or a program can do with Suanpan, described by OpenAPI made
//! from the code.
//!
//! ```text
//! accept → (report: gateway) | authorize → handler → station → JSON, or problem+json
//! ```
//!
//! Invariants: every error is a `Problem` with a stable code; a read key reaches only its own
//! app; changing anything takes the admin token; a request's head must arrive within a stated
//! time. This crate does not know how anything is stored.

mod access;
mod actors;
mod adopt;
mod api;
mod apps;
mod ask;
mod attributes;
mod audit;
mod backups;
mod config;
mod connections;
mod dead_letter;
mod health;
mod json;
mod keys;
mod learnt;
mod live;
pub mod metrics;
mod open_files;
mod path;
mod people;
mod plan;
mod plan_body;
mod plan_csv;
mod plan_text;
mod problem;
mod query;
mod refused_requests;
mod replay_jobs;
mod replays;
mod report_docs;
mod request_service;
mod rules;
mod serve;
mod settings;
mod status;
mod usage;
mod words;

pub use axum::Router;

pub use access::{AdminToken, generate_admin_token};
pub use api::{Api, Asking, Served, openapi, router};
pub use config::ServerConfig;
pub use metrics::{MetricsHandle, install_recorder};
pub use serve::{ServeError, bind, serve};

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
mod api;
mod apps;
mod ask;
mod attributes;
mod config;
mod health;
mod json;
mod keys;
pub mod metrics;
mod problem;
mod rules;
mod serve;
mod status;

pub use axum::Router;

pub use access::{AdminToken, generate_admin_token};
pub use api::{Api, openapi, router};
pub use config::ServerConfig;
pub use metrics::{MetricsHandle, install_recorder};
pub use serve::{ServeError, bind, serve};

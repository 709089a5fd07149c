//! Speaks ClickHouse's HTTP protocol, to an engine of our own or to any server alike.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use bytes::Bytes;
use reqwest::multipart::Form;
use reqwest::{Response, StatusCode, Url};

use crate::engine::Secret;
use crate::error::{Result, WarehouseError};

/// ClickHouse closes idle connections after 10 s; we let go before.
const IDLE_CONNECTION_MS: u64 = 5_000;
/// An engine of our own ends only when its connections are closed, and a new one costs next to nothing.
const IDLE_CONNECTION_OWN_MS: u64 = 300;
const CONNECT_TIMEOUT_S: u64 = 5;
/// The longest any statement may take before we call the server away. Questions have limits of
/// their own that are far below; inserts of a batch take well under a second.
const STATEMENT_TIMEOUT_S: u64 = 120;
/// Error messages are cut at this length: ClickHouse repeats the statement in them.
const MESSAGE_CHARS_MAX: usize = 2_000;

/// Options longer than this go into the body where they can; the client refuses URLs beyond 64 KiB.
const URL_OPTIONS_BYTES_MAX: usize = 8 * 1024;

/// A user and its password.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub user: String,
    pub password: Secret,
}

/// Where the server listens. The port may change when an engine of our own is started anew.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    base: Url,
    port: Arc<AtomicU16>,
    idle_connection_ms: u64,
}

impl Endpoint {
    pub fn loopback(port: u16) -> Self {
        let base = Url::parse("http://127.0.0.1/").expect("the address is a literal");
        Self { base, port: Arc::new(AtomicU16::new(port)), idle_connection_ms: IDLE_CONNECTION_OWN_MS }
    }

    pub fn external(base: Url) -> Self {
        let port = base.port_or_known_default().unwrap_or(8123);
        Self { base, port: Arc::new(AtomicU16::new(port)), idle_connection_ms: IDLE_CONNECTION_MS }
    }

    pub fn move_to(&self, port: u16) {
        self.port.store(port, Ordering::Release);
    }

    pub fn url(&self) -> Url {
        let mut url = self.base.clone();
        // Only addresses without a host have no port, and those were refused when parsed.
        let _ = url.set_port(Some(self.port.load(Ordering::Acquire)));
        url
    }
}

/// A statement with its settings.
#[derive(Debug, Default)]
pub(crate) struct Statement<'a> {
    pub sql: &'a str,
    /// URL parameters: settings, `param_*`, `query_id`.
    pub options: Vec<(&'a str, String)>,
    /// The data of an INSERT; without it the statement itself is the body.
    pub data: Option<Bytes>,
}

type Pair<'p> = (&'p str, &'p str);

impl Statement<'_> {
    /// Options for the URL and, where they would be too long for one, parameters for a form. An
    /// INSERT's body is its data, so all of its options, which are short, stand in the URL.
    fn split_options(&self) -> (Vec<Pair<'_>>, Vec<Pair<'_>>) {
        let bytes: usize = self.options.iter().map(|(name, value)| name.len() + value.len()).sum();
        let is_long = self.data.is_none() && bytes > URL_OPTIONS_BYTES_MAX;
        let pairs = self.options.iter().map(|(name, value)| (*name, value.as_str()));
        pairs.partition(|(name, _)| !is_long || !name.starts_with("param_"))
    }
}

/// The statement and its parameters as ClickHouse takes them in a body.
fn form(sql: &str, fields: &[Pair<'_>]) -> Form {
    let form = Form::new().text("query", sql.to_owned());
    fields.iter().fold(form, |form, (name, value)| form.text((*name).to_owned(), (*value).to_owned()))
}

/// A client for one user.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    endpoint: Endpoint,
    credentials: Credentials,
    database: Option<String>,
}

impl Client {
    pub fn new(endpoint: Endpoint, credentials: Credentials) -> Result<Self> {
        install_tls_provider();
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(CONNECT_TIMEOUT_S))
            .timeout(Duration::from_secs(STATEMENT_TIMEOUT_S))
            .pool_idle_timeout(Duration::from_millis(endpoint.idle_connection_ms))
            .no_proxy()
            .build()
            .map_err(|error| WarehouseError::EngineStart { message: chain(&error) })?;
        Ok(Self { http, endpoint, credentials, database: None })
    }

    /// The same server and database, asked by another user.
    pub fn with_credentials(&self, credentials: Credentials) -> Self {
        Self { credentials, ..self.clone() }
    }

    /// The same, with a database that statements need not name.
    pub fn with_database(self, database: String) -> Self {
        Self { database: Some(database), ..self }
    }

    pub fn password(&self) -> &Secret {
        &self.credentials.password
    }

    pub fn user(&self) -> &str {
        &self.credentials.user
    }

    /// Runs a statement whose answer does not matter.
    pub async fn run(&self, sql: &str) -> Result<()> {
        self.send(Statement { sql, ..Statement::default() }).await.map(drop)
    }

    /// Runs a statement and reads its whole answer as text.
    pub async fn text(&self, statement: Statement<'_>) -> Result<String> {
        let response = self.send(statement).await?;
        response.text().await.map_err(|error| WarehouseError::unavailable(chain(&error)))
    }

    /// Runs a statement, to the response's head: an error status has become an error.
    pub async fn send(&self, statement: Statement<'_>) -> Result<Response> {
        let (in_url, in_form) = statement.split_options();
        let mut url = self.endpoint.url();
        {
            let mut query = url.query_pairs_mut();
            if let Some(database) = &self.database {
                query.append_pair("database", database);
            }
            for (name, value) in in_url {
                query.append_pair(name, value);
            }
            if statement.data.is_some() {
                query.append_pair("query", statement.sql);
            }
        }
        let request = self
            .http
            .post(url)
            .header("X-ClickHouse-User", &self.credentials.user)
            .header("X-ClickHouse-Key", self.credentials.password.expose());
        let request = match (&statement.data, in_form.as_slice()) {
            (Some(data), _) => request.body(data.clone()),
            (None, []) => request.body(statement.sql.to_owned()),
            (None, fields) => request.multipart(form(statement.sql, fields)),
        };
        let response = request.send().await.map_err(|error| {
            WarehouseError::unavailable(format!("{} ({})", chain(&error), self.endpoint.url()))
        })?;
        if response.status() == StatusCode::OK { Ok(response) } else { Err(refusal(response).await) }
    }
}

/// reqwest asks for one TLS provider in the process. Another part may have installed it already,
/// which is as good.
fn install_tls_provider() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
}

async fn refusal(response: Response) -> WarehouseError {
    let status = response.status();
    let code = response
        .headers()
        .get("X-ClickHouse-Exception-Code")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok());
    let message: String = match response.text().await {
        Ok(text) => text.trim().chars().take(MESSAGE_CHARS_MAX).collect(),
        Err(error) => chain(&error),
    };
    match code {
        Some(code) => WarehouseError::from_code(code, message),
        None if status.is_server_error() => WarehouseError::unavailable(format!("{status}: {message}")),
        None => WarehouseError::Query { code: 0, message: format!("{status}: {message}") },
    }
}

/// An error with its causes in one line. The address is left out: it carries the statement.
pub(crate) fn chain(error: &reqwest::Error) -> String {
    use std::error::Error;
    let mut text = if error.is_timeout() { "timed out".to_owned() } else { "no answer".to_owned() };
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// A text as a ClickHouse string literal.
pub(crate) fn quoted(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('\'');
    for c in text.chars() {
        if matches!(c, '\'' | '\\') {
            literal.push('\\');
        }
        literal.push(c);
    }
    literal.push('\'');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_cannot_be_left() {
        let check = |text: &str, literal: &str| assert_eq!(quoted(text), literal);
        check("a", "'a'");
        check("it's", r"'it\'s'");
        check(r"\' or 1", r"'\\\' or 1'");
    }
}

//! Speaks ClickHouse's HTTP protocol, to an engine of our own or to any server alike.

use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use bytes::Bytes;
use reqwest::multipart::Form;
use reqwest::{Response, StatusCode, Url};
use tracing::warn;

use crate::engine::Secret;
use crate::error::{Result, WarehouseError};
use crate::metrics;

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

/// A client for one user, of one node or of several that are as good as each other.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    nodes: Arc<Nodes>,
    credentials: Credentials,
    database: Option<String>,
}

/// Nodes of which one is in use, until it fails.
#[derive(Debug)]
struct Nodes {
    endpoints: Vec<Endpoint>,
    /// Which one is in use; it only grows, and is taken modulo their number.
    turn: AtomicUsize,
}

impl Nodes {
    fn in_use(&self) -> (usize, &Endpoint) {
        let turn = self.turn.load(Ordering::Acquire);
        (turn, &self.endpoints[turn % self.endpoints.len()])
    }

    /// Moves on to the next node, unless somebody has done so since the turn was read.
    fn leave(&self, turn: usize) {
        let next = self.turn.compare_exchange(turn, turn + 1, Ordering::AcqRel, Ordering::Relaxed);
        if next.is_ok() && self.endpoints.len() > 1 {
            metrics::failed_over();
            warn!(left = %self.endpoints[turn % self.endpoints.len()].url(), to = %self.in_use().1.url(),
                "a ClickHouse node does not answer; using another");
        }
    }
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
        let nodes = Arc::new(Nodes { endpoints: vec![endpoint], turn: AtomicUsize::new(0) });
        Ok(Self { http, nodes, credentials, database: None })
    }

    /// The same server and database, asked by another user.
    pub fn with_credentials(&self, credentials: Credentials) -> Self {
        Self { credentials, ..self.clone() }
    }

    /// The same user at other nodes, of which it uses the `first` until that one fails.
    pub fn at(&self, endpoints: Vec<Endpoint>, first: usize) -> Self {
        assert!(!endpoints.is_empty(), "a client has a node");
        let nodes = Arc::new(Nodes { endpoints, turn: AtomicUsize::new(first) });
        Self { nodes, ..self.clone() }
    }

    /// The same user at the nodes of another client, and with it at the one in use.
    pub fn at_nodes_of(&self, other: &Self) -> Self {
        Self { nodes: Arc::clone(&other.nodes), ..self.clone() }
    }

    /// A client for each node alone.
    pub fn each_node(&self) -> Vec<Self> {
        self.nodes.endpoints.iter().map(|endpoint| self.at(vec![endpoint.clone()], 0)).collect()
    }

    /// The address in use.
    pub fn url(&self) -> Url {
        self.nodes.in_use().1.url()
    }

    /// Uses this node from now on, if there is one with this address.
    pub fn prefer(&self, url: &Url) {
        let nodes = &self.nodes.endpoints;
        if let Some(at) = nodes.iter().position(|endpoint| endpoint.url() == *url) {
            let ahead = |turn: usize| (at + nodes.len() - turn % nodes.len()) % nodes.len();
            let _ = self
                .nodes
                .turn
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, |turn| Some(turn + ahead(turn)));
        }
    }

    /// A number that stays the same as long as the same node is in use, and never comes back.
    pub fn turn(&self) -> usize {
        self.nodes.in_use().0
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
    ///
    /// A node that can't be connected to is left for the next one at once: it was told nothing. One that fails
    /// later is left for the next statement; whether to send this one again is for the caller to say.
    pub async fn send(&self, statement: Statement<'_>) -> Result<Response> {
        let mut tries_left = self.nodes.endpoints.len();
        loop {
            let (turn, endpoint) = self.nodes.in_use();
            tries_left -= 1;
            match self.send_to(endpoint, &statement).await {
                Ok(response) => return Ok(response),
                Err(Failure { error, is_node, was_sent }) => {
                    if is_node {
                        self.nodes.leave(turn);
                    }
                    if was_sent || tries_left == 0 {
                        return Err(error);
                    }
                }
            }
        }
    }

    async fn send_to(
        &self,
        endpoint: &Endpoint,
        statement: &Statement<'_>,
    ) -> std::result::Result<Response, Failure> {
        let (in_url, in_form) = statement.split_options();
        let mut url = endpoint.url();
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
        let response = request.send().await.map_err(|error| Failure {
            was_sent: !error.is_connect(),
            is_node: true,
            error: WarehouseError::unavailable(format!("{} ({})", chain(&error), endpoint.url())),
        })?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        let error = refusal(response).await;
        Err(Failure { is_node: is_of_the_node(&error), was_sent: true, error })
    }
}

/// Why a node did not do what it was told.
struct Failure {
    error: WarehouseError,
    /// Whether another node may do it.
    is_node: bool,
    /// Whether it may have done it all the same.
    was_sent: bool,
}

/// Whether a refusal is about the node's own state. The codes: NO_ZOOKEEPER, TABLE_IS_READ_ONLY,
/// KEEPER_EXCEPTION: a replica that has lost its Keeper takes no INSERT.
fn is_of_the_node(error: &WarehouseError) -> bool {
    matches!(
        error,
        WarehouseError::Overloaded { code: 225 | 242 | 999, .. } | WarehouseError::Unavailable { .. }
    )
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

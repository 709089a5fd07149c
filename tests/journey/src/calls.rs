use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// Longer than any limit that the server states for an answer.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// Calls a server's HTTP API; goes on with the same server at its new address after a restart.
#[derive(Clone)]
pub struct Calls {
    http: reqwest::Client,
    place: Arc<RwLock<Place>>,
}

#[derive(Default)]
struct Place {
    url: String,
    admin: String,
}

impl Calls {
    pub(crate) fn nowhere() -> Self {
        let http = reqwest::Client::builder().timeout(REPLY_TIMEOUT).no_proxy().build();
        Self { http: http.expect("a client can be made"), place: Arc::default() }
    }

    pub(crate) fn move_to(&self, url: &str, admin: &str) {
        let mut place = self.place.write().unwrap_or_else(PoisonError::into_inner);
        *place = Place { url: url.to_owned(), admin: admin.to_owned() };
    }

    /// The server's address, such as `http://127.0.0.1:40001`.
    pub fn url(&self) -> String {
        self.place.read().unwrap_or_else(PoisonError::into_inner).url.clone()
    }

    /// The admin token.
    pub fn admin_token(&self) -> String {
        self.place.read().unwrap_or_else(PoisonError::into_inner).admin.clone()
    }

    /// A request without a key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url()))
    }

    /// Calls with the admin token.
    ///
    /// # Panics
    /// No answer.
    pub async fn admin(&self, method: Method, path: &str, body: Option<&Value>) -> Reply {
        let request = self.request(method, path).bearer_auth(self.admin_token());
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        Reply::of(request).await
    }

    /// How far the stations are.
    ///
    /// # Panics
    /// No answer, or a problem.
    pub async fn status(&self) -> Value {
        self.admin(Method::GET, "/api/status", None).await.expect(200)
    }
}

/// An answer of the server.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub content_type: String,
    /// Seconds after which to try again, where the answer says so.
    pub retry_after_s: Option<u64>,
    /// The body; a text if it is no JSON.
    pub body: Value,
}

impl Reply {
    /// Sends a request and reads the answer.
    ///
    /// # Panics
    /// No answer.
    pub async fn of(request: RequestBuilder) -> Self {
        Self::try_of(request).await.expect("the server answers")
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// No connection, or it broke.
    pub async fn try_of(request: RequestBuilder) -> Result<Self, reqwest::Error> {
        let response = request.send().await?;
        let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let status = response.status().as_u16();
        let content_type = header("content-type").unwrap_or_default();
        let retry_after_s = header("retry-after").and_then(|s| s.parse().ok());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Self { status, content_type, retry_after_s, body })
    }

    /// Expects a status and gives the body.
    ///
    /// # Panics
    /// Another status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }

    /// Expects a problem with this status and code and gives its body.
    ///
    /// # Panics
    /// Something else.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        let found = (self.status, self.body["code"].as_str().unwrap_or_default());
        assert_eq!(found, (status, code), "{:#}", self.body);
        assert_eq!(self.content_type, "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert!(self.body["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{:#}", self.body);
        self.body
    }

    /// Expects a problem that names this limit, by its setting's key with or without the section.
    ///
    /// # Panics
    /// Something else.
    #[track_caller]
    pub fn over_limit(self, (status, code): (u16, &str), limit: &str) -> Value {
        assert_eq!(
            self.retry_after_s.is_some(),
            status == 503,
            "only who is told to come again gets Retry-After"
        );
        let body = self.problem(status, code);
        let named = body["limit"].as_str().unwrap_or_default();
        let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
        assert_eq!(last(named), last(limit), "{body:#}");
        body
    }
}

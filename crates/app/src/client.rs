//! The HTTP API as the command line uses it: the same one that everybody uses.

use anyhow::{Context as _, Result, anyhow};
use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use suanpan_sdk::http_client;

use crate::cli::Remote;
use crate::secrets;

/// A server and the secret to speak to it.
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Client {
    /// The server named on the command line.
    ///
    /// # Errors
    /// No token was given, and none stands in the data folder.
    pub fn new(remote: &Remote) -> Result<Self> {
        let file = secrets::admin_token_file(&remote.data_dir);
        let token = match &remote.token {
            Some(token) => token.clone(),
            None => secrets::read(&file)?.with_context(|| {
                format!(
                    "no token: give one with --token or SUANPAN_TOKEN, or name the server's data folder with \
                     --data-dir (there is no {})",
                    file.display()
                )
            })?,
        };
        Self::with_token(&remote.url, &token)
    }

    /// A server by URL and secret.
    ///
    /// # Errors
    /// The HTTP client can't be made.
    pub fn with_token(url: &str, token: &str) -> Result<Self> {
        let http = http_client(url).build().context("can't make an HTTP client")?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), token: token.to_owned() })
    }

    /// Reads something.
    ///
    /// # Errors
    /// The server is away, or answers with a problem, which is shown.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.send(self.request(Method::GET, path)).await
    }

    /// Sends JSON and reads the answer.
    ///
    /// # Errors
    /// As of [`Self::get`].
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T> {
        self.send(self.request(method, path).json(body)).await
    }

    /// Sends a text that is JSON already.
    ///
    /// # Errors
    /// As of [`Self::get`].
    pub async fn post_text<T: DeserializeOwned>(&self, path: &str, json: String) -> Result<T> {
        self.post_file(path, "application/json", json).await
    }

    /// Sends a text of this media type.
    ///
    /// # Errors
    /// As of [`Self::get`].
    pub async fn post_file<T: DeserializeOwned>(&self, path: &str, kind: &str, text: String) -> Result<T> {
        self.send(self.request(Method::POST, path).header("content-type", kind).body(text)).await
    }

    /// Reads something as the text it is.
    ///
    /// # Errors
    /// As of [`Self::get`].
    pub async fn get_text(&self, path: &str) -> Result<String> {
        let body = self.answer(self.request(Method::GET, path)).await?;
        String::from_utf8(body).with_context(|| format!("{} answered no text", self.url))
    }

    /// Does something that takes and answers nothing.
    ///
    /// # Errors
    /// As of [`Self::get`].
    pub async fn act(&self, method: Method, path: &str) -> Result<()> {
        self.send::<Option<Value>>(self.request(method, path)).await.map(drop)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token)
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        let body = self.answer(request).await?;
        let body: &[u8] = if body.is_empty() { b"null" } else { &body };
        serde_json::from_slice(body)
            .with_context(|| format!("{} answered something else than expected", self.url))
    }

    /// Begins to read an answer that has no end.
    ///
    /// # Errors
    /// As of [`Self::get`]; a problem is a [`Refused`].
    pub async fn stream(&self, path: &str) -> Result<Response> {
        self.accepted(self.request(Method::GET, path)).await
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Vec<u8>> {
        Ok(self.accepted(request).await?.bytes().await.context("the answer broke off")?.into())
    }

    /// The answer to a request, if it is no problem.
    async fn accepted(&self, request: RequestBuilder) -> Result<Response> {
        let response = request.send().await.map_err(|e| {
            if e.is_connect() {
                anyhow!(
                    "no server answers at {}; start one with 'suanpan serve', or name it with --url",
                    self.url
                )
            } else {
                anyhow!(e).context(format!("no answer from {}", self.url))
            }
        })?;
        let status = response.status();
        if !status.is_success() {
            let body = response.bytes().await.context("the answer broke off")?;
            return Err(
                Refused { status: status.as_u16(), text: problem_text(status.as_u16(), &body) }.into()
            );
        }
        Ok(response)
    }
}

/// The server answered with a problem, which this is in words.
#[derive(Debug)]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    text: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Refused {}

/// A problem document as text for people.
fn problem_text(status: u16, body: &[u8]) -> String {
    let Ok(problem) = serde_json::from_slice::<Value>(body) else {
        return format!("the server answered {status}");
    };
    let code = problem["code"].as_str().unwrap_or("error");
    let errors = problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    if errors.is_empty() {
        return format!("{} ({status} {code})", problem["detail"].as_str().unwrap_or("the server refused"));
    }
    let mut text = format!("{status} {code}");
    for error in errors {
        let path =
            error["path"].as_str().filter(|p| !p.is_empty()).map(|p| format!("{p}: ")).unwrap_or_default();
        text.push_str(&format!("\n  {path}{}", error["message"].as_str().unwrap_or_default()));
        if let Some(suggestion) = error["suggestion"].as_str() {
            text.push_str(&format!("\n    did you mean {suggestion:?}?"));
        }
    }
    text
}

/// One part of a path, escaped.
pub fn segment(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

/// Reads a file, or standard input for `-`.
///
/// # Errors
/// It can't be read.
pub fn read_input(file: &std::path::Path) -> Result<String> {
    if file.as_os_str() == "-" {
        return std::io::read_to_string(std::io::stdin()).context("can't read standard input");
    }
    std::fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))
}

//! The HTTP API as the command line uses it: the same one that everybody uses.

use std::net::IpAddr;

use anyhow::{Context as _, Result, anyhow, bail};
use reqwest::{ClientBuilder, Method, RequestBuilder, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

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
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        self.send(request.body(json)).await
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
        let body = response.bytes().await.context("the answer broke off")?;
        if !status.is_success() {
            bail!("{}", problem_text(status.as_u16(), &body));
        }
        let body: &[u8] = if body.is_empty() { b"null" } else { &body };
        serde_json::from_slice(body)
            .with_context(|| format!("{} answered something else than expected", self.url))
    }
}

/// A client for this server. A proxy that the environment names (`HTTP_PROXY`) is for servers
/// elsewhere: one on this machine would be sought on the proxy's, and handed the secret there.
pub fn http_client(url: &str) -> ClientBuilder {
    let builder = reqwest::Client::builder();
    if is_on_this_machine(url) { builder.no_proxy() } else { builder }
}

fn is_on_this_machine(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or(host.trim_end_matches('.') == "localhost", |address| address.to_canonical().is_loopback())
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_hosts_are_on_this_machine() {
        let check = |url: &str, expected: bool| assert_eq!(is_on_this_machine(url), expected, "{url}");
        check("http://127.0.0.1:8765", true);
        check("http://127.9.0.1/v1", true);
        check("http://[::1]:8765", true);
        check("http://[::ffff:127.0.0.1]", true);
        check("HTTP://LocalHost:1", true);
        check("http://localhost.", true);
        check("http://localhost.example.org", false);
        check("http://127.0.0.1.example.org", false);
        check("http://10.0.0.1", false);
        check("http://[2001:db8::1]", false);
        check("https://127.0.0.1@example.org", false);
        check("no URL", false);
    }
}

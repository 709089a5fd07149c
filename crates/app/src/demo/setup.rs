use std::path::Path;

use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::{Value, json};

use super::APP;
use super::questions::Question;
use crate::client::Client;
use crate::secrets;

/// The demo's keys. They are kept in the data folder, since a key's text is shown only once.
pub struct Keys {
    /// May report, also old events.
    pub write: String,
    /// May ask.
    pub read: String,
}

/// The properties of the clickstream that are attributes.
const ATTRIBUTES: [(&str, &str); 3] = [
    ("acquisition_channel", "Acquisition channel"),
    ("user_cohort", "Cohort"),
    ("user_lifecycle", "Lifecycle"),
];

/// Creates app, attributes and keys where they are missing.
pub async fn prepare(client: &Client, data_dir: &Path) -> Result<Keys> {
    let apps: Vec<Value> = client.get("/api/apps").await?;
    if !apps.iter().any(|app| app["id"] == APP) {
        let app = json!({ "id": APP, "title": "Online shop (demo)", "time_zone": "UTC" });
        client.call::<Value>(Method::POST, "/api/apps", &app).await?;
    }
    for (name, title) in ATTRIBUTES {
        let attribute = json!({ "type": "string", "title": title });
        let path = format!("/api/apps/{APP}/attributes/{name}");
        client.call::<Value>(Method::PUT, &path, &attribute).await?;
    }
    let write = key(client, data_dir, "write").await?;
    let read = key(client, data_dir, "read").await?;
    Ok(Keys { write, read })
}

/// Saves a question as a rule.
pub async fn save(client: &Client, question: &Question) -> Result<()> {
    let rule: Value = serde_json::from_str(question.rule).context("the demo's rules are JSON")?;
    let body = json!({ "title": question.title, "rule": rule });
    client.call::<Value>(Method::PUT, &format!("/api/apps/{APP}/rules/{}", question.name), &body).await?;
    Ok(())
}

async fn key(client: &Client, data_dir: &Path, kind: &str) -> Result<String> {
    let file = data_dir.join(format!("demo-{kind}-key"));
    if let Some(key) = secrets::read(&file)? {
        return Ok(key);
    }
    let body = json!({ "kind": kind, "title": "demo", "may_report_old": kind == "write" });
    let made: Value = client.call(Method::POST, &format!("/api/apps/{APP}/keys"), &body).await?;
    let secret = made["secret"].as_str().context("a new key comes with its text")?.to_owned();
    secrets::write(&file, &secret)?;
    Ok(secret)
}

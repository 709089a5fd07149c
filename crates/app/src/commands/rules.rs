use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::{Value, json};

use super::apps::cell;
use super::{ask, print};
use crate::cli::{RulesCommand, WithServer};
use crate::client::{Client, read_input, segment};
use crate::table::Table;

/// `suanpan rules …`
pub async fn run(args: WithServer<RulesCommand>) -> Result<()> {
    let client = Client::new(&args.remote)?;
    match args.command {
        RulesCommand::List { app } => {
            let rules: Vec<Value> = client.get(&path(&app.app, "")).await?;
            print(&list(&rules));
        }
        RulesCommand::Save { name, file, app, title } => {
            let text = read_input(&file)?;
            let rule: Value = serde_json::from_str(&text).context("the rule is no JSON")?;
            let body = json!({ "title": title, "rule": rule });
            let saved: Value = client.call(Method::PUT, &path(&app.app, &name), &body).await?;
            print(&format!("rule {name} is version {}\n", cell(&saved["version"])));
        }
        RulesCommand::Show { name, app } => {
            let rule: Value = client.get(&path(&app.app, &name)).await?;
            print(&format!("{}\n", serde_json::to_string_pretty(&rule)?));
        }
        RulesCommand::Versions { name, app } => {
            let versions: Vec<Value> = client.get(&format!("{}/versions", path(&app.app, &name))).await?;
            print(&list(&versions));
        }
        RulesCommand::Answer { name, app, output } => {
            let answer: Value = client.get(&format!("{}/answer", path(&app.app, &name))).await?;
            print(&ask::shown(&answer, output)?);
        }
        RulesCommand::Delete { name, app } => {
            client.act(Method::DELETE, &path(&app.app, &name)).await?;
            print(&format!("rule {name} is deleted; bring it back with 'suanpan rules restore {name}'\n"));
        }
        RulesCommand::Restore { name, app } => {
            client.act(Method::POST, &format!("{}/restore", path(&app.app, &name))).await?;
            print(&format!("rule {name} is back\n"));
        }
    }
    Ok(())
}

fn list(rules: &[Value]) -> String {
    let mut table = Table::new(["rule", "#version", "saved", "title"]);
    for rule in rules {
        let saved = rule["created_ms"].as_i64().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        let saved = saved.map(|t| t.strftime("%Y-%m-%d %H:%M:%SZ").to_string()).unwrap_or_default();
        table.row([cell(&rule["name"]), cell(&rule["version"]), saved, cell(&rule["title"])]);
    }
    table.render(0)
}

fn path(app: &str, rule: &str) -> String {
    let rules = format!("/api/apps/{}/rules", segment(app));
    if rule.is_empty() { rules } else { format!("{rules}/{}", segment(rule)) }
}

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use super::apps::cell;
use super::print;
use crate::cli::{KeyUse, KeysCommand, WithServer};
use crate::client::{Client, segment};
use crate::table::Table;

/// `suanpan keys …`
pub async fn run(args: WithServer<KeysCommand>) -> Result<()> {
    let client = Client::new(&args.remote)?;
    match args.command {
        KeysCommand::List { app } => {
            let keys: Vec<Value> = client.get(&path(&app.app)).await?;
            let mut table =
                Table::new(["#id", "kind", "begins with", "title", "old events", "#a second", "state"]);
            for key in &keys {
                let old = if key["may_report_old"] == true { "may report" } else { "" };
                let state = if key["revoked_ms"].is_null() { "active" } else { "revoked" };
                let [id, kind, first, title] =
                    ["id", "kind", "first_characters", "title"].map(|field| cell(&key[field]));
                let rate = cell(&key["events_per_second"]);
                table.row([id, kind, first, title, old.to_owned(), rate, state.to_owned()]);
            }
            print(&table.render(0));
        }
        KeysCommand::Create { kind, app, title, may_report_old, events_per_second } => {
            let kind = match kind {
                KeyUse::Write => "write",
                KeyUse::Read => "read",
            };
            let body = json!({ "kind": kind, "title": title, "may_report_old": may_report_old,
                "events_per_second": events_per_second });
            let key: Value = client.call(Method::POST, &path(&app.app), &body).await?;
            // The secret alone on standard output, so that a script can take it.
            eprintln!("{kind} key {} of app {}; it is shown only now:", cell(&key["id"]), app.app);
            print(&format!("{}\n", cell(&key["secret"])));
        }
        KeysCommand::Revoke { id, app } => {
            client.act(Method::DELETE, &format!("{}/{id}", path(&app.app))).await?;
            print(&format!("key {id} of app {} is revoked\n", app.app));
        }
    }
    Ok(())
}

fn path(app: &str) -> String {
    format!("/api/apps/{}/keys", segment(app))
}

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use super::print;
use crate::cli::{AppsCommand, WithServer};
use crate::client::{Client, segment};
use crate::table::Table;

/// `suanpan apps …`
pub async fn run(args: WithServer<AppsCommand>) -> Result<()> {
    let client = Client::new(&args.remote)?;
    match args.command {
        AppsCommand::List => {
            let apps: Vec<Value> = client.get("/api/apps").await?;
            let mut table = Table::new(["app", "title", "time zone", "#attributes"]);
            for app in &apps {
                table.row(["id", "title", "time_zone", "attributes"].map(|field| cell(&app[field])));
            }
            print(&table.render(0));
        }
        AppsCommand::Create { id, title, time_zone } => {
            let body = json!({ "id": id, "title": title, "time_zone": time_zone });
            let app: Value = client.call(Method::POST, "/api/apps", &body).await?;
            let id = cell(&app["id"]);
            print(&format!(
                "app {id} is there, its days begin in {}\nnext: suanpan keys create write --app {id}\n",
                cell(&app["time_zone"])
            ));
        }
        AppsCommand::Set { id, title, time_zone } => {
            let body = json!({ "title": title, "time_zone": time_zone });
            let app: Value = client.call(Method::PATCH, &path(&id), &body).await?;
            print(&format!(
                "app {}: {}, {}\n",
                cell(&app["id"]),
                cell(&app["title"]),
                cell(&app["time_zone"])
            ));
        }
        AppsCommand::Delete { id } => {
            client.act(Method::DELETE, &path(&id)).await?;
            print(&format!("app {id} is deleted; bring it back with 'suanpan apps restore {id}'\n"));
        }
        AppsCommand::Restore { id } => {
            client.act(Method::POST, &format!("{}/restore", path(&id))).await?;
            print(&format!("app {id} is back\n"));
        }
    }
    Ok(())
}

fn path(app: &str) -> String {
    format!("/api/apps/{}", segment(app))
}

/// A JSON value as a cell: texts without quotes, null as nothing.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

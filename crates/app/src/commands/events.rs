use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use super::apps::cell;
use super::print;
use crate::cli::{EventsCommand, StatusName, WithServer};
use crate::client::{Client, segment};
use crate::table::Table;

/// `suanpan events …`
pub async fn run(args: WithServer<EventsCommand>) -> Result<()> {
    let client = Client::new(&args.remote)?;
    match args.command {
        EventsCommand::List { app } => {
            let plan: Value = client.get(&format!("/api/apps/{}/plan", segment(&app.app))).await?;
            print(&table(&plan).render(0));
        }
        EventsCommand::Define { name, app, title, description, status, required, optional } => {
            let used = |names: Vec<String>, required: bool| {
                let names = names.into_iter().filter(|name| !name.is_empty());
                names.map(move |name| json!({ "name": name, "required": required }))
            };
            let attributes: Value = used(required, true).chain(used(optional, false)).collect();
            let body = json!({ "title": title, "description": description,
                "status": status_word(status), "attributes": attributes });
            let event: Value = client.call(Method::PUT, &path(&app.app, &name), &body).await?;
            let count = event["attributes"].as_array().map_or(0, Vec::len);
            print(&format!("{name} is planned, with {count} attributes\n"));
        }
        EventsCommand::Remove { name, app } => {
            client.act(Method::DELETE, &path(&app.app, &name)).await?;
            print(&format!("{name} is not planned any more; events that were reported stay\n"));
        }
    }
    Ok(())
}

/// The planned events; a required attribute has a star.
pub fn table(plan: &Value) -> Table {
    let mut table = Table::new(["event", "status", "title", "attributes (* required)"]);
    for event in plan["events"].as_array().into_iter().flatten() {
        let used = event["attributes"].as_array().into_iter().flatten();
        let attributes: Vec<String> = used
            .map(|one| format!("{}{}", cell(&one["name"]), if one["required"] == true { "*" } else { "" }))
            .collect();
        let [name, status, title] = ["name", "status", "title"].map(|field| cell(&event[field]));
        table.row([name, status, title, attributes.join(", ")]);
    }
    table
}

/// The word for a status in the API.
pub fn status_word(status: StatusName) -> &'static str {
    match status {
        StatusName::Draft => "draft",
        StatusName::Live => "live",
        StatusName::Retired => "retired",
    }
}

fn path(app: &str, event: &str) -> String {
    format!("/api/apps/{}/plan/events/{}", segment(app), segment(event))
}

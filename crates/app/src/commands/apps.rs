use std::process::ExitCode;

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use super::actors::agreed;
use super::print;
use crate::cli::{AppsCommand, DaysKept, IpName, SettingsArgs, WithServer};
use crate::client::{Client, segment};
use crate::table::{Table, number};

/// `suanpan apps …`
pub async fn run(args: WithServer<AppsCommand>) -> Result<ExitCode> {
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
        AppsCommand::Show { id } => show(&client, &id).await?,
        AppsCommand::Set { id, title, time_zone, settings, yes } => {
            if !yes && !may_remove(&client, &id, &settings).await? {
                print("nothing was changed\n");
                return Ok(ExitCode::FAILURE);
            }
            let body = json!({ "title": title, "time_zone": time_zone });
            client.call::<Value>(Method::PATCH, &path(&id), &body).await?;
            let change = change(&settings);
            if change.as_object().is_some_and(|change| !change.is_empty()) {
                client.call::<Value>(Method::PATCH, &format!("{}/settings", path(&id)), &change).await?;
            }
            show(&client, &id).await?;
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
    Ok(ExitCode::SUCCESS)
}

/// Whether events may go that a shorter retention would remove: none would, or the person at the terminal agrees.
async fn may_remove(client: &Client, id: &str, settings: &SettingsArgs) -> Result<bool> {
    let Some(DaysKept(Some(days))) = settings.retention_days else { return Ok(true) };
    let preview: Value = client.get(&format!("{}/retention?days={days}", path(id))).await?;
    let events = preview["events"].as_f64().unwrap_or_default();
    if events == 0.0 {
        return Ok(true);
    }
    let going = format!(
        "{} events of {} days before {} (the oldest of {}) are older than {days} days and are removed for good.",
        number(events),
        preview["days"],
        cell(&preview["kept_from"]),
        cell(&preview["oldest"]),
    );
    agreed(&going)
}

async fn show(client: &Client, id: &str) -> Result<()> {
    let app: Value = client.get(&path(id)).await?;
    let settings: Value = client.get(&format!("{}/settings", path(id))).await?;
    let limit = |field: &str| match &settings[field] {
        Value::Null => "none".to_owned(),
        limit => limit.to_string(),
    };
    let origins: Vec<&str> =
        settings["allowed_origins"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    print(&format!(
        "app {}: {}, {}\n  client addresses     {}\n  web pages            {}\n  events a second      {}\n  \
         events a day         {}\n  events a month       {}\n  \
         events are kept      {}\n",
        cell(&app["id"]),
        cell(&app["title"]),
        cell(&app["time_zone"]),
        cell(&settings["ip"]),
        if origins.is_empty() { "none may report".to_owned() } else { origins.join(", ") },
        limit("events_per_second"),
        limit("events_per_day"),
        limit("events_per_month"),
        match &settings["retention_days"] {
            Value::Null => "for ever".to_owned(),
            days => format!("{days} days"),
        },
    ));
    Ok(())
}

/// The settings that were given, as the API takes them.
fn change(settings: &SettingsArgs) -> Value {
    let mut change = json!({});
    if let Some(ip) = settings.ip {
        let word = match ip {
            IpName::Store => "store",
            IpName::Truncate => "truncate",
            IpName::Drop => "drop",
        };
        change["ip"] = word.into();
    }
    if !settings.allow_origin.is_empty() {
        let origins = settings.allow_origin.iter().filter(|origin| !origin.is_empty());
        change["allowed_origins"] = origins.cloned().collect();
    }
    let limits = [
        ("events_per_second", settings.events_per_second),
        ("events_per_day", settings.events_per_day),
        ("events_per_month", settings.events_per_month),
    ];
    for (field, limit) in limits {
        if let Some(limit) = limit {
            change[field] = json!(limit.0);
        }
    }
    if let Some(days) = settings.retention_days {
        change["retention_days"] = json!(days.0);
    }
    change
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

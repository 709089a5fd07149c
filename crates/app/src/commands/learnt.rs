use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use super::apps::cell;
use super::dead_letter::{pretty, time, with_query};
use super::print;
use crate::cli::{LearntCommand, WithServer};
use crate::client::{Client, segment};
use crate::table::{Table, number};

/// `suanpan learnt …`
pub async fn run(args: WithServer<LearntCommand>) -> Result<()> {
    let client = Client::new(&args.remote)?;
    match args.command {
        LearntCommand::List { app, unplanned, event, json } => {
            let mut query = vec![("unplanned", unplanned.to_string())];
            query.extend(event.map(|event| ("event", event)));
            let learnt: Value = client.get(&with_query(&path(&app.app, ""), &query)).await?;
            print(&if json { pretty(&learnt)? } else { list(&learnt) });
        }
        LearntCommand::Adopt { app, event, attribute, all, draft } => {
            let status = if draft { "draft" } else { "live" };
            let body = json!({ "all": all, "events": event, "attributes": attribute, "status": status });
            let adopted: Value = client.call(Method::POST, &path(&app.app, "/adopt"), &body).await?;
            print(&shown_adopted(&adopted));
        }
    }
    Ok(())
}

fn list(learnt: &Value) -> String {
    let mut table = Table::new([
        "event",
        "attribute",
        "#events",
        "types",
        "type",
        "in plan",
        "first seen",
        "last seen",
        "samples",
    ]);
    let lines = |value: &Value| value.as_array().cloned().unwrap_or_default();
    for event in lines(&learnt["events"]) {
        table.row(row(&event, &event, [String::new(), String::new(), String::new()]));
        for attribute in lines(&event["attributes"]) {
            let texts = |field: &str| {
                let values = lines(&attribute[field]);
                values.iter().map(cell).collect::<Vec<_>>().join(", ")
            };
            let known = [texts("types"), cell(&attribute["suggested_type"]), texts("samples")];
            table.row(row(&event, &attribute, known));
        }
    }
    if table.is_empty() {
        return "nothing was seen that fits\n".to_owned();
    }
    let rest = &learnt["not_listed"];
    let note = match rest["names"].as_u64() {
        Some(names) => {
            let least = if rest["is_at_least"] == true { "at least " } else { "" };
            let max = cell(&learnt["names_max"]);
            format!("{least}{names} more names were seen and are not listed: the bound is {max}\n")
        }
        None => String::new(),
    };
    table.render(0) + &note
}

fn row(event: &Value, name: &Value, [types, suggested, samples]: [String; 3]) -> [String; 9] {
    let is_planned = if name["is_planned"] == true { "yes" } else { "" };
    [
        cell(&event["event"]),
        cell(&name["attribute"]),
        name["events"].as_f64().map(number).unwrap_or_default(),
        types,
        suggested,
        is_planned.to_owned(),
        time(&name["first_seen_ms"]),
        time(&name["last_seen_ms"]),
        samples,
    ]
}

fn shown_adopted(adopted: &Value) -> String {
    let lines = |field: &str| adopted[field].as_array().cloned().unwrap_or_default();
    let mut text = String::new();
    for attribute in lines("attributes") {
        text.push_str(&format!("attribute {} is a {}\n", cell(&attribute["name"]), cell(&attribute["type"])));
    }
    for event in lines("events") {
        text.push_str(&format!("event {} is planned\n", cell(&event)));
    }
    for skipped in lines("skipped") {
        text.push_str(&format!("not added: {}: {}\n", cell(&skipped["name"]), cell(&skipped["reason"])));
    }
    if text.is_empty() { "the plan has all of it already\n".to_owned() } else { text }
}

fn path(app: &str, rest: &str) -> String {
    format!("/api/apps/{}/learnt{rest}", segment(app))
}

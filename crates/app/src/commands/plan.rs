use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::apps::cell;
use super::{events, print};
use crate::cli::{ModeName, PlanCommand, PlanForm, WithServer};
use crate::client::{Client, read_input, segment};
use crate::table::Table;

/// `suanpan plan …`
pub async fn run(args: WithServer<PlanCommand>) -> Result<ExitCode> {
    let client = Client::new(&args.remote)?;
    match args.command {
        PlanCommand::Show { app } => {
            let plan: Value = client.get(&path(&app.app)).await?;
            let events = events::table(&plan).render(0);
            print(&format!("mode: {}\n\n{events}\n{}", cell(&plan["mode"]), attributes(&plan).render(0)));
        }
        PlanCommand::Mode { mode, app } => {
            let (mode, does) = match mode {
                ModeName::Observe => ("observe", "takes every event"),
                ModeName::Warn => ("warn", "says what is wrong with an event, and takes it"),
                ModeName::Enforce => ("enforce", "refuses events that don't fit"),
            };
            client.call::<Value>(Method::PATCH, &path(&app.app), &json!({ "mode": mode })).await?;
            print(&format!("the tracking plan of {} {does}, from now on\n", app.app));
        }
        PlanCommand::Import { file, app, form, dry_run, yes } => {
            import(&client, &app.app, &Import { file: &file, form, dry_run, yes }).await?;
        }
        PlanCommand::Export { app, form } => {
            let ending = match form {
                PlanForm::Json => "json",
                PlanForm::Csv => "csv",
            };
            print(&client.get_text(&format!("{}.{ending}", path(&app.app))).await?);
        }
        PlanCommand::Check { event, properties, app } => {
            return check(&client, &app.app, &event, &properties).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

struct Import<'a> {
    file: &'a Path,
    form: Option<PlanForm>,
    dry_run: bool,
    yes: bool,
}

/// Tries the import first, so that nothing is removed from the plan by surprise.
async fn import(client: &Client, app: &str, import: &Import<'_>) -> Result<()> {
    let is_csv = match import.form {
        Some(form) => matches!(form, PlanForm::Csv),
        None => import.file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv")),
    };
    let kind = if is_csv { "text/csv" } else { "application/json" };
    let text = read_input(import.file)?;
    let post = async |dry_run: bool| {
        let path = format!("{}/import?dry_run={dry_run}", path(app));
        client.post_file::<Value>(&path, kind, text.clone()).await
    };
    let changes = post(true).await?;
    let listed = listed(&changes);
    if listed.is_empty() {
        print("nothing changes\n");
        return Ok(());
    }
    print(&listed);
    if import.dry_run {
        print("nothing was changed: this was a dry run\n");
        return Ok(());
    }
    let removes = ["events", "attributes"].iter().any(|list| !names(&changes[list]["removed"]).is_empty());
    if removes && !import.yes {
        bail!("this removes something from the plan, so nothing was changed; give --yes to do it");
    }
    post(false).await?;
    print(&format!("the tracking plan of {app} is imported\n"));
    Ok(())
}

/// The changes, a line for each kind of them.
fn listed(changes: &Value) -> String {
    let mut text = String::new();
    if let Some(mode) = changes["mode"].as_str() {
        text.push_str(&format!("mode: {mode}\n"));
    }
    for list in ["events", "attributes"] {
        for kind in ["added", "changed", "removed"] {
            let names = names(&changes[list][kind]);
            if !names.is_empty() {
                text.push_str(&format!("{list} {kind}: {}\n", names.join(", ")));
            }
        }
    }
    text
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn attributes(plan: &Value) -> Table {
    let mut table = Table::new(["attribute", "type", "status", "personal", "title", "limits"]);
    for attribute in plan["attributes"].as_array().into_iter().flatten() {
        let fields = ["name", "type", "status", "personal", "title"];
        let [name, kind, status, personal, title] = fields.map(|field| cell(&attribute[field]));
        table.row([name, kind, status, personal, title, limits(attribute)]);
    }
    table
}

fn limits(attribute: &Value) -> String {
    let mut limits = Vec::new();
    if let Some(allowed) = attribute["allowed"].as_array() {
        limits.push(format!("one of {}", allowed.iter().map(cell).collect::<Vec<_>>().join(", ")));
    }
    for (field, word) in [("min", "from"), ("max", "to"), ("pattern", "matches")] {
        if !attribute[field].is_null() {
            limits.push(format!("{word} {}", cell(&attribute[field])));
        }
    }
    if attribute["common"] == true {
        limits.push("in every event".to_owned());
    }
    limits.join("; ")
}

#[derive(Serialize)]
struct Tried<'a> {
    event: &'a str,
    properties: &'a RawValue,
}

/// Tries an event: says how it fares, then everything that does not fit.
async fn check(client: &Client, app: &str, event: &str, properties: &str) -> Result<ExitCode> {
    let properties = if properties == "-" { read_input(Path::new("-"))? } else { properties.to_owned() };
    let properties: Box<RawValue> =
        RawValue::from_string(properties).context("the properties are no JSON")?;
    let body = Tried { event, properties: &properties };
    let checked: Value = client.call(Method::POST, &format!("{}/check", path(app)), &body).await?;
    let outcome = cell(&checked["outcome"]);
    let mut text = format!("{outcome} (the plan's mode is {})\n", cell(&checked["mode"]));
    let rejection = Some(&checked["rejection"]).filter(|rejection| !rejection.is_null());
    let findings = checked["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    // The first finding is mostly the rejection itself.
    let is_listed = rejection.is_some_and(|r| findings.iter().any(|f| f == r));
    for finding in rejection.filter(|_| !is_listed).into_iter().chain(findings) {
        let [code, field, message, hint] =
            ["code", "field", "message", "hint"].map(|part| cell(&finding[part]));
        text.push_str(&format!("  {code} {field}: {message}\n    {hint}\n"));
    }
    if let Some(stored) = checked.get("properties") {
        text.push_str(&format!("stored: {stored}\n"));
    }
    print(&text);
    Ok(if outcome == "rejected" { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn path(app: &str) -> String {
    format!("/api/apps/{}/plan", segment(app))
}

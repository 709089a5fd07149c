use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};

use super::apps::cell;
use super::print;
use crate::cli::{DeadLetterCommand, Refused, WithServer};
use crate::client::{Client, segment};
use crate::table::{Table, number};

/// How often a replay that is followed is looked at.
const FOLLOW_PERIOD: Duration = Duration::from_millis(300);
/// Characters of a sentence in a table.
const MESSAGE_CHARS: usize = 80;

/// `suanpan dead-letter …`
pub async fn run(args: WithServer<DeadLetterCommand>) -> Result<ExitCode> {
    let client = Client::new(&args.remote)?;
    match args.command {
        DeadLetterCommand::List { app, which, replayed, not_replayed, limit, json } => {
            let mut query = query(&which);
            query.push(("limit", limit.to_string()));
            if replayed || not_replayed {
                query.push(("replayed", replayed.to_string()));
            }
            let page: Value = client.get(&with_query(&path(&app.app, ""), &query)).await?;
            print(&if json { pretty(&page)? } else { list(&page) });
        }
        DeadLetterCommand::Counts { app, which, json } => {
            let counts: Value = client.get(&with_query(&path(&app.app, "/counts"), &query(&which))).await?;
            print(&if json { pretty(&counts)? } else { shown_counts(&counts) });
        }
        DeadLetterCommand::Show { id, app } => {
            let dead: Value = client.get(&path(&app.app, &format!("/{}", segment(&id)))).await?;
            print(&pretty(&dead)?);
        }
        DeadLetterCommand::Replay { app, which, id, all, follow } => {
            let mut body: Value =
                query(&which).into_iter().map(|(name, text)| (name, Value::from(text))).collect();
            if !id.is_empty() {
                body["ids"] = json!(id);
            }
            if all {
                body["all"] = true.into();
            }
            let job: Value = client.call(Method::POST, &path(&app.app, "/replays"), &body).await?;
            return begun(&client, &app.app, job, follow).await;
        }
        DeadLetterCommand::Replays { app } => {
            let jobs: Vec<Value> = client.get(&path(&app.app, "/replays")).await?;
            print(&listed_jobs(&jobs));
        }
        DeadLetterCommand::Resume { job, app, follow } => {
            let path = path(&app.app, &format!("/replays/{job}/resume"));
            let job: Value = client.call(Method::POST, &path, &json!({})).await?;
            return begun(&client, &app.app, job, follow).await;
        }
        DeadLetterCommand::Cancel { job, app } => {
            client.act(Method::DELETE, &path(&app.app, &format!("/replays/{job}"))).await?;
            print(&format!("replay {job} ends; what it has brought through stays\n"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Says that a replay has begun, or shows it to its end.
async fn begun(client: &Client, app: &str, job: Value, follow: bool) -> Result<ExitCode> {
    let id = cell(&job["id"]);
    if !follow {
        print(&format!(
            "replay {id} has begun; 'suanpan dead-letter replays --app {app}' says how far it is\n"
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let job = followed(client, &path(app, &format!("/replays/{id}")), job).await?;
    print(&listed_jobs(std::slice::from_ref(&job)));
    let problem = cell(&job["problem"]);
    if !problem.is_empty() {
        print(&format!("{problem}\n"));
    }
    Ok(if job["state"] == "finished" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn followed(client: &Client, path: &str, mut job: Value) -> Result<Value> {
    let bar = ProgressBar::new(0);
    let template = "{bar:32} {pos} of {len}  {msg}";
    bar.set_style(ProgressStyle::with_template(template).expect("the template is right"));
    while job["state"] == "running" {
        tokio::time::sleep(FOLLOW_PERIOD).await;
        job = client.get(path).await?;
        bar.set_length(job["total"].as_u64().unwrap_or_default());
        bar.set_position(job["done"].as_u64().unwrap_or_default());
        let [accepted, rejected] = ["accepted", "rejected"].map(|name| shown_number(&job[name]));
        bar.set_message(format!("{accepted} accepted, {rejected} refused again"));
    }
    bar.finish_and_clear();
    Ok(job)
}

fn list(page: &Value) -> String {
    let events = page["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    if events.is_empty() {
        return "nothing was refused that fits\n".to_owned();
    }
    let mut table = Table::new(["received", "code", "event", "person", "message", "replay", "id"]);
    for event in events {
        let person = [&event["user_id"], &event["device_id"]].map(cell).into_iter().find(|id| !id.is_empty());
        table.row([
            time(&event["received_ms"]),
            cell(&event["code"]),
            cell(&event["event"]),
            person.unwrap_or_default(),
            cell(&event["message"]).chars().take(MESSAGE_CHARS).collect(),
            cell(&event["replay"]["outcome"]),
            cell(&event["id"]),
        ]);
    }
    let more =
        if page["next"].is_null() { "" } else { "there are more: narrow the search, or raise --limit\n" };
    table.render(0) + more
}

fn shown_counts(counts: &Value) -> String {
    let rows = |list: &Value, names: &[&str]| -> Vec<Vec<String>> {
        let row = |line: &Value| {
            let cells = names.iter().map(|name| match &line[*name] {
                Value::Number(_) => shown_number(&line[*name]),
                other => cell(other),
            });
            cells.collect()
        };
        list.as_array().map(|lines| lines.iter().map(row).collect()).unwrap_or_default()
    };
    let mut codes = Table::new(["code", "#refused", "#kept", "#replayed", "#replayable", "what to do"]);
    let names = ["code", "refused", "kept", "accepted", "replayable", "hint"];
    rows(&counts["codes"], &names).into_iter().for_each(|row| codes.row(row));
    if codes.is_empty() {
        return "nothing was refused\n".to_owned();
    }
    let mut events = Table::new(["event", "#kept", "#replayed", "#replayable"]);
    let names = ["event", "kept", "accepted", "replayable"];
    rows(&counts["events"], &names).into_iter().for_each(|row| events.row(row));
    let bounds = &counts["bounds"];
    format!(
        "{}\n{}\nkept for {} days, at most {} a day of an app\n",
        codes.render(0),
        events.render(0),
        cell(&bounds["retention_days"]),
        shown_number(&bounds["events_per_app_per_day_max"]),
    )
}

fn listed_jobs(jobs: &[Value]) -> String {
    let mut table = Table::new([
        "#replay",
        "state",
        "#done",
        "#of",
        "#accepted",
        "#refused again",
        "#unreadable",
        "#before",
        "started",
        "of",
    ]);
    for job in jobs {
        let counts = ["done", "total", "accepted", "rejected", "unreadable", "duplicate"];
        let mut row = vec![cell(&job["id"]), cell(&job["state"])];
        row.extend(counts.map(|name| shown_number(&job[name])));
        row.extend([time(&job["started_ms"]), job["filter"].to_string()]);
        table.row(row);
    }
    table.render(0)
}

fn shown_number(value: &Value) -> String {
    value.as_f64().map(number).unwrap_or_default()
}

pub(super) fn time(value: &Value) -> String {
    let time = value.as_i64().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map(|time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()).unwrap_or_default()
}

pub(super) fn pretty(value: &Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn query(which: &Refused) -> Vec<(&'static str, String)> {
    let Refused { code, event, user, device, text, from, to } = which.clone();
    let fields = [
        ("code", code),
        ("event", event),
        ("user", user),
        ("device", device),
        ("text", text),
        ("from", from),
        ("to", to),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

pub(super) fn with_query(path: &str, query: &[(&str, String)]) -> String {
    let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", segment(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

fn path(app: &str, rest: &str) -> String {
    format!("/api/apps/{}/dead-letter{rest}", segment(app))
}

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

use super::apps::cell;
use super::dead_letter::{pretty, time, with_query};
use super::print;
use crate::cli::{ActorsCommand, WithServer};
use crate::client::{Client, segment};
use crate::table::{Table, number};

/// How often a deletion that is followed is looked at.
const FOLLOW_PERIOD: Duration = Duration::from_millis(500);

/// `suanpan actors …`
pub async fn run(args: WithServer<ActorsCommand>) -> Result<ExitCode> {
    let client = Client::new(&args.remote)?;
    match args.command {
        ActorsCommand::Show { id, app, with_linked, json } => {
            let person = person(&client, &app.app, &id, with_linked).await?;
            print(&if json { pretty(&person)? } else { shown(&person) });
        }
        ActorsCommand::Delete { id, app, also, with_linked, yes, follow } => {
            let person = person(&client, &app.app, &id, with_linked).await?;
            print(&shown(&person));
            if !also.is_empty() {
                print(&format!("and all that is kept of {}\n", also.join(", ")));
            }
            if !yes && !agreed("This deletes it for good.")? {
                print("nothing was deleted\n");
                return Ok(ExitCode::FAILURE);
            }
            let body = json!({ "id": id, "other_ids": also, "linked": with_linked });
            let job: Value = client.call(Method::POST, &path(&app.app, "/deletions"), &body).await?;
            return begun(&client, &app.app, job, follow).await;
        }
        ActorsCommand::Deletions { app, of, json } => {
            let query: Vec<(&str, String)> = of.into_iter().map(|id| ("of", id)).collect();
            let jobs: Value = client.get(&with_query(&path(&app.app, "/deletions"), &query)).await?;
            let listed = jobs.as_array().map(Vec::as_slice).unwrap_or_default();
            print(&if json { pretty(&jobs)? } else { listed_jobs(listed) });
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn person(client: &Client, app: &str, id: &str, with_linked: bool) -> Result<Value> {
    let query = [("id", id.to_owned()), ("linked", with_linked.to_string())];
    client.get(&with_query(&path(app, ""), &query)).await
}

/// Says that a deletion was requested, or waits for its end.
async fn begun(client: &Client, app: &str, mut job: Value, follow: bool) -> Result<ExitCode> {
    let id = cell(&job["id"]);
    if !follow {
        print(&format!(
            "deletion {id} is requested; 'suanpan actors deletions --app {app}' says how far it is\n"
        ));
        return Ok(ExitCode::SUCCESS);
    }
    while matches!(job["state"].as_str(), Some("requested" | "running")) {
        tokio::time::sleep(FOLLOW_PERIOD).await;
        job = client.get(&path(app, &format!("/deletions/{id}"))).await?;
    }
    print(&listed_jobs(std::slice::from_ref(&job)));
    let problem = cell(&job["problem"]);
    if !problem.is_empty() {
        print(&format!("{problem}\n"));
    }
    Ok(if job["state"] == "finished" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn shown(person: &Value) -> String {
    let texts = |name: &str| -> Vec<String> {
        person[name].as_array().map(|list| list.iter().map(cell).collect()).unwrap_or_default()
    };
    let mut table = Table::new(["event", "#events", "first", "last"]);
    for event in person["events"].as_array().into_iter().flatten() {
        let events = number(event["events"].as_f64().unwrap_or_default());
        table.row([cell(&event["event"]), events, time(&event["first_ms"]), time(&event["last_ms"])]);
    }
    let mut shown = format!("ids: {}\n", crate::table::printable(texts("ids").join(", ")));
    shown.push_str(&if table.is_empty() { "no events\n".to_owned() } else { table.render(0) });
    shown.push_str(&format!("{} refused events, {} links\n", person["dead_letters"], person["links"]));
    let devices = texts("devices");
    if !devices.is_empty() {
        shown.push_str(&format!(
            "these events came from the devices {}; what those reported before anybody was known is named with \
             --also\n",
            crate::table::printable(devices.join(", "))
        ));
    }
    shown
}

fn listed_jobs(jobs: &[Value]) -> String {
    let mut table = Table::new([
        "#deletion",
        "state",
        "step",
        "#events",
        "#refused",
        "#links",
        "requested",
        "ended",
        "of",
    ]);
    for job in jobs {
        let of = match cell(&job["actor"]) {
            actor if actor.is_empty() => cell(&job["actor_hash"]).chars().take(12).collect(),
            actor => actor,
        };
        table.row([
            cell(&job["id"]),
            cell(&job["state"]),
            cell(&job["step"]),
            cell(&job["events"]),
            cell(&job["dead_letters"]),
            cell(&job["links"]),
            time(&job["requested_ms"]),
            time(&job["ended_ms"]),
            of,
        ]);
    }
    table.render(0)
}

/// Whether the person at the terminal says yes.
///
/// # Errors
/// There is nobody to ask.
pub(super) fn agreed(what: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        bail!("{what} There is nobody to ask here: say --yes");
    }
    print(&format!("{what} Type yes to go on: "));
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

fn path(app: &str, rest: &str) -> String {
    format!("/api/apps/{}/actors{rest}", segment(app))
}

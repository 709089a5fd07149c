use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use super::apps::cell;
use super::events::status_word;
use super::print;
use crate::cli::{AttributesCommand, PersonalName, Terms, TypeName, WithServer};
use crate::client::{Client, segment};
use crate::table::Table;

/// `suanpan attributes …`
pub async fn run(args: WithServer<AttributesCommand>) -> Result<()> {
    let client = Client::new(&args.remote)?;
    match args.command {
        AttributesCommand::List { app } => {
            let attributes: Vec<Value> = client.get(&path(&app.app)).await?;
            let mut table = Table::new(["attribute", "type", "title", "column"]);
            for attribute in &attributes {
                let column = if attribute["built_in"] == true {
                    "built in".to_owned()
                } else {
                    cell(&attribute["slot"])
                };
                let [name, kind, title] = ["name", "type", "title"].map(|field| cell(&attribute[field]));
                table.row([name, kind, title, column]);
            }
            print(&table.render(0));
        }
        AttributesCommand::Define { name, kind, app, terms } => {
            let kind = match kind {
                TypeName::String => "string",
                TypeName::Number => "number",
                TypeName::Boolean => "boolean",
                TypeName::Datetime => "datetime",
                TypeName::List => "list",
            };
            let body = definition(kind, *terms);
            let path = format!("{}/{}", path(&app.app), segment(&name));
            let attribute: Value = client.call(Method::PUT, &path, &body).await?;
            let column = match attribute["slot"].as_str() {
                Some(slot) => format!("events from now on fill the column {slot}"),
                None if kind == "list" => {
                    "lists have no typed column, questions read them from JSON".to_owned()
                }
                None => "no typed column was free, so questions read it from JSON, slower".to_owned(),
            };
            print(&format!("{name} is a {kind}; {column}\n"));
        }
        AttributesCommand::Remove { name, app } => {
            client.act(Method::DELETE, &format!("{}/{}", path(&app.app), segment(&name))).await?;
            print(&format!("{name} is no attribute of {} any more; events keep the property\n", app.app));
        }
    }
    Ok(())
}

/// What was given, as the API takes it.
fn definition(kind: &str, terms: Terms) -> Value {
    let mut body = json!({ "type": kind });
    let mut set = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            body[field] = value;
        }
    };
    set("title", terms.title.map(Value::from));
    set("description", terms.description.map(Value::from));
    set("status", terms.status.map(|status| status_word(status).into()));
    set("personal", terms.personal.map(|personal| personal_word(personal).into()));
    set("common", terms.common.map(Value::from));
    set("many_values", terms.many_values.map(Value::from));
    if !terms.allow.is_empty() {
        let allowed = terms.allow.into_iter().filter(|value| !value.is_empty());
        set("allowed", Some(allowed.map(|value| value_of(kind, value)).collect()));
    }
    let end = |value: String| if value.is_empty() { Value::Null } else { value_of(kind, value) };
    set("min", terms.min.map(end));
    set("max", terms.max.map(end));
    set(
        "pattern",
        terms.pattern.map(|pattern| if pattern.is_empty() { Value::Null } else { pattern.into() }),
    );
    body
}

fn personal_word(personal: PersonalName) -> &'static str {
    match personal {
        PersonalName::Keep => "keep",
        PersonalName::Mask => "mask",
        PersonalName::Drop => "drop",
    }
}

/// A value of an attribute: a number where one is meant, else a text, which the server judges.
fn value_of(kind: &str, text: String) -> Value {
    let is_numeric = matches!(kind, "number" | "datetime");
    match serde_json::from_str::<serde_json::Number>(&text) {
        Ok(number) if is_numeric => number.into(),
        _ => text.into(),
    }
}

fn path(app: &str) -> String {
    format!("/api/apps/{}/attributes", segment(app))
}

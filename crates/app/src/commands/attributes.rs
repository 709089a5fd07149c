use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use super::apps::cell;
use super::print;
use crate::cli::{AttributesCommand, TypeName, WithServer};
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
        AttributesCommand::Define { name, kind, app, title, many_values } => {
            let kind = match kind {
                TypeName::String => "string",
                TypeName::Number => "number",
                TypeName::Boolean => "boolean",
                TypeName::Datetime => "datetime",
            };
            let body = json!({ "type": kind, "title": title, "many_values": many_values });
            let path = format!("{}/{}", path(&app.app), segment(&name));
            let attribute: Value = client.call(Method::PUT, &path, &body).await?;
            let column = match attribute["slot"].as_str() {
                Some(slot) => format!("events from now on fill the column {slot}"),
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

fn path(app: &str) -> String {
    format!("/api/apps/{}/attributes", segment(app))
}

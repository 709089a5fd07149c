//! The commands, one file each.

mod actors;
mod apps;
mod ask;
mod attributes;
mod audit;
mod backup;
mod dead_letter;
mod engine;
mod events;
mod import;
mod keys;
mod learnt;
mod live;
mod plan;
mod restore;
mod rules;
mod serve;
mod warehouse;

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::{Cli, Command, ServerArgs};
use crate::config::{self, Config, Sources};
use crate::{codes_reference, demo, metrics_reference};

pub use ask::group;
pub use serve::speak;

/// Does what the command line says.
///
/// # Errors
/// Whatever the command met, in words for the person who typed it.
pub async fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Serve(args) => serve::run(configuration(&args)?).await?,
        Command::Engine(args) => engine::run(configuration(&args)?).await?,
        Command::Warehouse(command) => warehouse::run(command).await?,
        Command::Demo(args) => demo::run(&args, configuration(&args.server)?).await?,
        Command::Apps(args) => return apps::run(args).await,
        Command::Keys(args) => keys::run(args).await?,
        Command::Plan(args) => return plan::run(args).await,
        Command::Events(args) => events::run(args).await?,
        Command::Attributes(args) => attributes::run(args).await?,
        Command::Live(args) => live::run(args).await?,
        Command::DeadLetter(args) => return dead_letter::run(args).await,
        Command::Learnt(args) => learnt::run(args).await?,
        Command::Rules(args) => rules::run(args).await?,
        Command::Ask(args) => ask::run(args).await?,
        Command::Explain(args) => ask::explain(args).await?,
        Command::Audit(args) => return audit::run(args).await,
        Command::Actors(args) => return actors::run(args).await,
        Command::Backup(args) => return backup::run(args).await,
        Command::Restore(args) => restore::run(&args.from, configuration(&args.server)?).await?,
        Command::Import(args) => return import::run(args).await,
        Command::ConfigReference => print(&config::reference()),
        Command::Openapi => print(&suanpan_server::openapi()),
        Command::RuleSchema => print(&(serde_json::to_string_pretty(&suanpan_rules::json_schema())? + "\n")),
        Command::CodesReference => print(&codes_reference::reference()),
        Command::MetricsReference => print(&metrics_reference::reference()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints to standard output; a reader that has gone away (`| head`) is no error.
pub fn print(text: &str) {
    use std::io::Write as _;
    let _reader_gone = std::io::stdout().write_all(text.as_bytes());
}

fn configuration(args: &ServerArgs) -> Result<Config> {
    let mut overrides = args.set.clone();
    overrides.extend(args.roles.iter().map(|roles| format!("serve.roles={roles}")));
    let sources = Sources { file: args.config.clone(), overrides };
    let environment =
        std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    let mut config = config::load(&sources, environment)?;
    if let Some(listen) = &args.listen {
        config.server.listen.clone_from(listen);
    }
    if let Some(data_dir) = &args.data_dir {
        config.storage.data_dir.clone_from(data_dir);
    }
    Ok(config)
}

//! The command line, with help texts and examples.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::import::ImportArgs;

mod accounts;
mod app_settings;
mod dead_letter;
mod live;
mod plan;
mod warehouse;

pub use accounts::{ActorsCommand, AuditArgs, BackupArgs, DaysKept, RestoreArgs};
pub use app_settings::{IpName, SettingsArgs};
pub use dead_letter::{DeadLetterCommand, LearntCommand, Refused};
pub use live::LiveArgs;
pub use plan::{
    AttributesCommand, EventsCommand, ModeName, PersonalName, PlanCommand, PlanForm, StatusName, Terms,
    TypeName,
};
pub use warehouse::{MigrateArgs, WarehouseCommand};

/// Suanpan 算盘: custom-event analytics. Report events, define attributes and rules, ask.
#[derive(Parser)]
#[command(name = "suanpan", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Run the server: all of it in one process, or some roles of it
    #[command(after_help = "Examples:
  suanpan serve
  suanpan serve --listen 0.0.0.0:8765 --data-dir /var/lib/suanpan
  suanpan serve --config suanpan.toml --set pipeline.batch_age_ms=100
  SUANPAN_WAREHOUSE_URL=http://clickhouse:8123 suanpan serve
  suanpan serve --roles gateway --config cluster.toml     # docs/cluster.md

The first start makes the admin token; it stands in the file admin-token of the data folder.")]
    Serve(ServerArgs),

    /// Run the embedded ClickHouse engine alone, to look at the data with other tools
    #[command(after_help = "Example:
  suanpan engine --data-dir suanpan-data     # while no server uses the folder

Prints the URL, the user and where the password stands; ends with Ctrl-C.")]
    Engine(ServerArgs),

    /// Make or change the tables of the configured ClickHouse or cluster, without a server
    #[command(subcommand)]
    #[command(after_help = "Examples:
  suanpan warehouse migrate --plan --config cluster.toml     # says every statement, changes nothing
  suanpan warehouse migrate --config cluster.toml

Servers do the same when they start. Running it again is harmless. docs/cluster.md says more.")]
    Warehouse(WarehouseCommand),

    /// Show the whole path on real events: start, report, ask
    #[command(after_help = "Examples:
  make demo                      # fetches the clickstream, then runs this
  suanpan demo --data ecom-5.2.4.csv.gz --data-dir demo-data --once")]
    Demo(DemoArgs),

    /// Manage apps
    #[command(after_help = "Examples:
  suanpan apps create shop --title 'Online shop' --time-zone Asia/Shanghai
  suanpan apps set shop --ip drop --allow-origin https://shop.example --events-per-day 1000000
  suanpan apps set shop --retention-days 90     # says how many events go, and asks
  suanpan apps list")]
    Apps(WithServer<AppsCommand>),

    /// Manage write and read keys
    #[command(after_help = "Examples:
  suanpan keys create write --app shop --title 'mini-program'
  suanpan keys create write --app shop --may-report-old     # for imports
  suanpan keys create write --app shop --events-per-second 100
  suanpan keys revoke 3 --app shop")]
    Keys(WithServer<KeysCommand>),

    /// Manage the tracking plan: what an app means to report, and what is done with the rest
    #[command(after_help = "Examples:
  suanpan plan show --app shop
  suanpan plan export --form csv --app shop > plan.csv
  suanpan plan import plan.csv --dry-run --app shop
  suanpan plan check order_paid '{\"amount\": \"12\"}' --app shop
  suanpan plan mode enforce --app shop

Observe takes every event; warn converts what can be converted and says what is wrong; enforce
refuses events that don't fit. A change never touches events that were accepted before it.")]
    Plan(WithServer<PlanCommand>),

    /// Manage the tracking plan's events
    #[command(after_help = "Examples:
  suanpan events define order_paid --app shop --title 'Order paid' --required amount,order_id --optional coupon
  suanpan events list --app shop")]
    Events(WithServer<EventsCommand>),

    /// Manage the tracking plan's attributes: which properties are, of which type, with which values
    #[command(after_help = "Examples:
  suanpan attributes define amount number --app shop --title 'Order amount' --min 0
  suanpan attributes define order_id string --many-values --app shop
  suanpan attributes define channel string --allow app --allow web --app shop
  suanpan attributes define phone string --personal mask --app shop
  suanpan attributes list --app shop")]
    Attributes(WithServer<AttributesCommand>),

    /// Watch events arrive, and see at once what is wrong with them
    #[command(after_help = "Examples:
  suanpan live shop
  suanpan live shop --errors
  suanpan live shop --person ann --event order_paid
  suanpan live shop --json | jq .event

A client that is being debugged says so; --debug shows only those. With a read key it works from
anywhere: suanpan live shop --url https://events.example --token KEY.")]
    Live(LiveArgs),

    /// Look at refused events, and try them again
    #[command(after_help = "Examples:
  suanpan dead-letter counts --app shop
  suanpan dead-letter list --code unplanned_event --from 2026-11-20 --app shop
  suanpan dead-letter replay --code unplanned_event --follow --app shop

A replay tries events with what the tracking plan and the limits say now. One that was accepted
before is not counted again.")]
    DeadLetter(WithServer<DeadLetterCommand>),

    /// See which events and attributes come, and add them to the tracking plan
    #[command(after_help = "Examples:
  suanpan learnt list --unplanned --app shop
  suanpan learnt adopt --event order_paid --app shop
  suanpan learnt adopt --all --draft --app shop")]
    Learnt(WithServer<LearntCommand>),

    /// Manage saved rules
    #[command(after_help = "Examples:
  suanpan rules save buyers buyers.json --app shop
  suanpan rules answer buyers --app shop")]
    Rules(WithServer<RulesCommand>),

    /// Ask: answer the rule in a file
    #[command(after_help = "Examples:
  suanpan ask buyers.json --app shop
  echo '{\"version\":1,\"kind\":\"trend\",\"measures\":[{\"measure\":\"people\"}],
         \"interval\":\"day\",\"range\":{\"last\":7,\"unit\":\"day\"}}' | suanpan ask - --app shop --csv")]
    Ask(AskArgs),

    /// Say how a rule would be answered: plan, SQL, typed columns, rows to read
    #[command(after_help = "Example:
  suanpan explain buyers.json --app shop")]
    Explain(ExplainArgs),

    /// Compare log, ledger and tables, and name every difference
    #[command(after_help = "Examples:
  suanpan audit                                  # the last day
  suanpan audit --from 2026-11-01 --to 2026-12-01 --app shop
  suanpan audit --json | jq 'select(.kind == \"difference\")'

Ends with 1 if there are differences. docs/audit.md says what is compared, and what to do.")]
    Audit(AuditArgs),

    /// See what is kept of a person, and delete it
    #[command(after_help = "Examples:
  suanpan actors show ann --app shop
  suanpan actors delete ann --with-linked --follow --app shop
  suanpan actors deletions --app shop")]
    Actors(WithServer<ActorsCommand>),

    /// Back up tables and catalog while the server runs
    #[command(after_help = "Examples:
  suanpan backup
  suanpan backup --to /mnt/backups --name monday
  suanpan backup --list

docs/backup.md says what is in it and what is not.")]
    Backup(BackupArgs),

    /// Make a new data folder of a backup
    #[command(after_help = "Example:
  suanpan restore --from /mnt/backups/monday --data-dir new-data")]
    Restore(RestoreArgs),

    /// Report the events of a file (CSV or NDJSON) through the gateway
    Import(ImportCommand),

    /// Print the configuration reference (Markdown)
    #[command(hide = true)]
    ConfigReference,

    /// Print the OpenAPI document (JSON)
    #[command(hide = true)]
    Openapi,

    /// Print the JSON Schema of rules
    #[command(hide = true)]
    RuleSchema,

    /// Print the metrics reference (Markdown)
    #[command(hide = true)]
    MetricsReference,
    /// Print the page of outcome codes.
    #[command(hide = true)]
    CodesReference,
}

/// How a server is configured.
#[derive(Args, Clone, Default)]
pub struct ServerArgs {
    /// Configuration file (TOML); docs/configuration.md lists every setting
    #[arg(long, env = "SUANPAN_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Set one setting, as section.key=value; may be given many times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// Address and port to listen on [default: 127.0.0.1:8765]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,

    /// Folder of everything that must survive [default: suanpan-data]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// What this process does, of gateway, pipeline, answers, server and watch [default: all]
    #[arg(long, value_name = "ROLE,…")]
    pub roles: Option<String>,
}

/// The demo's options.
#[derive(Args)]
pub struct DemoArgs {
    /// The clickstream, as `make demo` fetches it
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,

    /// End when the answers are shown, instead of staying up
    #[arg(long)]
    pub once: bool,

    /// How the server is configured
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Which server to speak to.
#[derive(Args, Clone)]
pub struct Remote {
    /// The server's URL
    #[arg(long, env = "SUANPAN_URL", default_value = "http://127.0.0.1:8765", global = true)]
    pub url: String,

    /// Admin token or key [default: the file admin-token in the data folder]
    #[arg(long, env = "SUANPAN_TOKEN", hide_env_values = true, global = true)]
    pub token: Option<String>,

    /// Data folder of a server on this machine, to find the admin token in
    #[arg(long, value_name = "DIR", default_value = "suanpan-data", global = true)]
    pub data_dir: PathBuf,
}

/// Which app it is about.
#[derive(Args, Clone)]
pub struct OfApp {
    /// The app's id
    #[arg(long, env = "SUANPAN_APP", value_name = "APP")]
    pub app: String,
}

/// How to print.
#[derive(Args, Clone, Copy, Default)]
pub struct Output {
    /// Print JSON, as the API answered
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Print CSV
    #[arg(long)]
    pub csv: bool,
}

/// A command that speaks to a server.
#[derive(Args)]
pub struct WithServer<C: Subcommand> {
    /// The command itself.
    #[command(subcommand)]
    pub command: C,
    /// The server.
    #[command(flatten)]
    pub remote: Remote,
}

/// Commands on apps.
#[derive(Subcommand)]
pub enum AppsCommand {
    /// List all apps
    List,
    /// Create an app
    Create {
        /// 1 to 64 characters of a-z, 0-9, - and _
        id: String,
        /// What people call it [default: the id]
        #[arg(long)]
        title: Option<String>,
        /// IANA name of the zone its days begin in
        #[arg(long, default_value = "UTC")]
        time_zone: String,
    },
    /// Show an app and its settings
    Show {
        /// The app
        id: String,
    },
    /// Change an app's title, time zone or settings
    Set {
        /// The app
        id: String,
        /// What people call it
        #[arg(long)]
        title: Option<String>,
        /// IANA name of the zone its days begin in
        #[arg(long)]
        time_zone: Option<String>,
        /// Its settings
        #[command(flatten)]
        settings: SettingsArgs,
        /// Don't ask before events are removed
        #[arg(long)]
        yes: bool,
    },
    /// Delete an app; its events stay, and it can be restored
    Delete {
        /// The app
        id: String,
    },
    /// Restore a deleted app
    Restore {
        /// The app
        id: String,
    },
}

/// What a key is for.
#[derive(Clone, Copy, ValueEnum)]
pub enum KeyUse {
    /// Reporting events
    Write,
    /// Asking about them
    Read,
}

/// Commands on keys.
#[derive(Subcommand)]
pub enum KeysCommand {
    /// List an app's keys
    List {
        /// The app
        #[command(flatten)]
        app: OfApp,
    },
    /// Make a key; it is shown this once
    Create {
        /// What it is for
        kind: KeyUse,
        /// The app
        #[command(flatten)]
        app: OfApp,
        /// What people call it
        #[arg(long, default_value = "")]
        title: String,
        /// Let it report events older than the limit; for imports
        #[arg(long)]
        may_report_old: bool,
        /// Events it may report a second [default: no limit of its own]
        #[arg(long, value_name = "EVENTS")]
        events_per_second: Option<u32>,
    },
    /// Revoke a key: it stops working at once, for good
    Revoke {
        /// The key's number, as the list shows it
        id: u32,
        /// The app
        #[command(flatten)]
        app: OfApp,
    },
}

/// Commands on rules.
#[derive(Subcommand)]
pub enum RulesCommand {
    /// List the saved rules
    List {
        /// The app
        #[command(flatten)]
        app: OfApp,
    },
    /// Save the rule in a file (- for standard input); a changed rule is a new version
    Save {
        /// Its name
        name: String,
        /// The file
        file: PathBuf,
        /// The app
        #[command(flatten)]
        app: OfApp,
        /// What people call it
        #[arg(long, default_value = "")]
        title: String,
    },
    /// Show a saved rule
    Show {
        /// The rule
        name: String,
        /// The app
        #[command(flatten)]
        app: OfApp,
    },
    /// Show all versions of a rule
    Versions {
        /// The rule
        name: String,
        /// The app
        #[command(flatten)]
        app: OfApp,
    },
    /// Answer a saved rule
    Answer {
        /// The rule
        name: String,
        /// The app
        #[command(flatten)]
        app: OfApp,
        /// How to print
        #[command(flatten)]
        output: Output,
    },
    /// Delete a rule; it can be restored
    Delete {
        /// The rule
        name: String,
        /// The app
        #[command(flatten)]
        app: OfApp,
    },
    /// Restore a deleted rule
    Restore {
        /// The rule
        name: String,
        /// The app
        #[command(flatten)]
        app: OfApp,
    },
}

/// Asking.
#[derive(Args)]
pub struct AskArgs {
    /// The rule's file, - for standard input
    pub file: PathBuf,
    /// The app
    #[command(flatten)]
    pub app: OfApp,
    /// How to print
    #[command(flatten)]
    pub output: Output,
    /// The server
    #[command(flatten)]
    pub remote: Remote,
}

/// Explaining.
#[derive(Args)]
pub struct ExplainArgs {
    /// The rule's file, - for standard input
    pub file: PathBuf,
    /// The app
    #[command(flatten)]
    pub app: OfApp,
    /// Print JSON, as the API answered
    #[arg(long)]
    pub json: bool,
    /// The server
    #[command(flatten)]
    pub remote: Remote,
}

/// Importing.
#[derive(Args)]
pub struct ImportCommand {
    /// What to import, and how
    #[command(flatten)]
    pub import: ImportArgs,
    /// The server's URL
    #[arg(long, env = "SUANPAN_URL", default_value = "http://127.0.0.1:8765")]
    pub url: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}

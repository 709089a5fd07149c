//! The commands on accounts, persons' data, and backups.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand};

use super::{OfApp, Remote, ServerArgs};

/// Days that events are kept, or none for as long as there is room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DaysKept(pub Option<u32>);

impl FromStr for DaysKept {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "forever" | "0" => Ok(Self(None)),
            number => number
                .parse()
                .map(|days| Self(Some(days)))
                .map_err(|_no_number| format!("{number:?} is neither a number of days nor \"forever\"")),
        }
    }
}

/// An audit.
#[derive(Args)]
pub struct AuditArgs {
    /// Events received since: RFC 3339 with an offset, or a date, which begins in UTC [default: a day ago]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Events received before [default: now]
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// This app alone
    #[arg(long, env = "SUANPAN_APP", value_name = "APP")]
    pub app: Option<String>,
    /// Don't compare the records that are still in the log one by one
    #[arg(long)]
    pub no_log: bool,
    /// Print every line as JSON, as the API answered
    #[arg(long)]
    pub json: bool,
    /// The server
    #[command(flatten)]
    pub remote: Remote,
}

/// Commands on persons' data.
#[derive(Subcommand)]
pub enum ActorsCommand {
    /// Show what is kept of a person
    Show {
        /// The id of a user or device
        id: String,
        /// The app
        #[command(flatten)]
        app: OfApp,
        /// Also of the ids that links join to it
        #[arg(long)]
        with_linked: bool,
        /// Print JSON, as the API answered
        #[arg(long)]
        json: bool,
    },
    /// Delete a person's data for good: events, refused events, links, and what is in the log
    Delete {
        /// The id of a user or device
        id: String,
        /// The app
        #[command(flatten)]
        app: OfApp,
        /// Another id of the same person; may be given many times
        #[arg(long = "also", value_name = "ID")]
        also: Vec<String>,
        /// Also of the ids that links join to it
        #[arg(long)]
        with_linked: bool,
        /// Don't ask
        #[arg(long)]
        yes: bool,
        /// Stay until it has ended
        #[arg(long)]
        follow: bool,
    },
    /// List the deletions, those that have ended too
    Deletions {
        /// The app
        #[command(flatten)]
        app: OfApp,
        /// Only those of this id
        #[arg(long, value_name = "ID")]
        of: Option<String>,
        /// Print JSON, as the API answered
        #[arg(long)]
        json: bool,
    },
}

/// A backup.
#[derive(Args)]
pub struct BackupArgs {
    /// Folder on the server's machine to move the backup to, under its name [default: it stays in the server's]
    #[arg(long, value_name = "DIR", conflicts_with = "list")]
    pub to: Option<PathBuf>,
    /// Its name: letters, digits, '-', '_' and '.' [default: the time]
    #[arg(long, conflicts_with = "list")]
    pub name: Option<String>,
    /// List the backups in the server's folder instead
    #[arg(long)]
    pub list: bool,
    /// The server
    #[command(flatten)]
    pub remote: Remote,
}

/// A restore.
#[derive(Args)]
pub struct RestoreArgs {
    /// The backup's folder
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
    /// How the server of the new data folder is configured
    #[command(flatten)]
    pub server: ServerArgs,
}

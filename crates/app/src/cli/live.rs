use clap::Args;

use super::Remote;

/// Watching.
#[derive(Args)]
pub struct LiveArgs {
    /// The app's id
    #[arg(env = "SUANPAN_APP", value_name = "APP")]
    pub app: String,
    /// Only events of this name
    #[arg(long, value_name = "NAME")]
    pub event: Option<String>,
    /// Only events of this user or device
    #[arg(long, value_name = "ID")]
    pub person: Option<String>,
    /// Only events of this device
    #[arg(long, value_name = "ID")]
    pub device: Option<String>,
    /// Only events that were refused, or that something is odd about
    #[arg(long)]
    pub errors: bool,
    /// Only events of clients that are being debugged
    #[arg(long)]
    pub debug: bool,
    /// Print each event as a line of JSON
    #[arg(long)]
    pub json: bool,
    /// The server
    #[command(flatten)]
    pub remote: Remote,
}

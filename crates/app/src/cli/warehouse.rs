use clap::{Args, Subcommand};

use super::ServerArgs;

/// Commands on the tables of events.
#[derive(Subcommand)]
pub enum WarehouseCommand {
    /// Make or bring up to date the tables, on every node
    Migrate(MigrateArgs),
}

/// The options of `migrate`.
#[derive(Args)]
pub struct MigrateArgs {
    /// Only say what would be done
    #[arg(long)]
    pub plan: bool,

    /// How the server is configured
    #[command(flatten)]
    pub server: ServerArgs,
}

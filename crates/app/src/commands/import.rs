use std::process::ExitCode;

use anyhow::Result;

use super::print;
use crate::cli::ImportCommand;
use crate::import::{self, ImportOptions};

/// `suanpan import`; ends with code 2 if some lines were rejected.
pub async fn run(args: ImportCommand) -> Result<ExitCode> {
    let (options, key) = ImportOptions::from_args(args.import)?;
    let target = import::Target { url: args.url, key };
    let report = import::run(&options, &target).await?;
    print(&format!("{report}\n"));
    Ok(if report.rejected > 0 { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

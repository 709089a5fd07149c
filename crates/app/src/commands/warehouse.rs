use std::fmt::Write as _;

use anyhow::Result;
use suanpan_warehouse::{Engine, PlannedStep};

use super::{configuration, print, speak};
use crate::cli::{MigrateArgs, WarehouseCommand};
use crate::folders;
use crate::serve::engine_config;

pub async fn run(command: WarehouseCommand) -> Result<()> {
    let WarehouseCommand::Migrate(args) = command;
    migrate(&args).await
}

/// Brings the configured warehouse up to date without a server, as each server's start does.
async fn migrate(args: &MigrateArgs) -> Result<()> {
    let config = configuration(&args.server)?;
    speak(&config);
    let data_dir = folders::data(&config.storage.data_dir)?;
    let engine = Engine::start(engine_config(&config, &data_dir)?).await?;
    let done = plan_and_do(&engine, args.plan).await;
    engine.stop().await;
    done
}

async fn plan_and_do(engine: &Engine, only_plan: bool) -> Result<()> {
    let warehouse = engine.warehouse();
    let steps = warehouse.migration_plan().await?;
    print(&shown(&steps));
    if only_plan {
        return Ok(());
    }
    // Also with nothing to do to tables: the user that asks is made and its walls are proved.
    warehouse.migrate().await?;
    print(if steps.is_empty() { "Nothing was to be done.\n" } else { "Done.\n" });
    Ok(())
}

/// The steps by what they are for; each statement with the nodes it is for.
fn shown(steps: &[PlannedStep]) -> String {
    if steps.is_empty() {
        return "All tables are as they should be.\n".to_owned();
    }
    let mut text = String::new();
    let mut at = 0;
    while let Some(step) = steps.get(at) {
        if at == 0 || steps[at - 1].why != step.why {
            let _ = writeln!(text, "\n-- {}", step.why);
        }
        let same = steps[at..].iter().take_while(|next| next.sql == step.sql && next.why == step.why);
        let nodes: Vec<&str> = same.map(|next| next.node.as_str()).collect();
        let _ = writeln!(text, "-- on {}\n{};", nodes.join(", "), step.sql);
        at += nodes.len();
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_shown_once_with_its_nodes() {
        let step =
            |node: &str, sql: &str| PlannedStep { node: node.into(), sql: sql.into(), why: "w".into() };
        let text = shown(&[step("a", "X"), step("b", "X"), step("a", "Y")]);
        assert_eq!(text, "\n-- w\n-- on a, b\nX;\n-- on a\nY;\n\n");
        assert!(shown(&[]).starts_with("All tables"));
    }
}

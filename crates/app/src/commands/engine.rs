use anyhow::Result;
use suanpan_warehouse::Engine;

use super::print;
use crate::config::Config;
use crate::folders;
use crate::serve::{asked_to_stop, engine_config};

/// Runs the engine alone, for other tools to look at the data.
pub async fn run(config: Config) -> Result<()> {
    super::serve::speak(&config);
    let data_dir = folders::data(&config.storage.data_dir)?;
    let engine = Engine::start(engine_config(&config, &data_dir)?).await?;
    engine.warehouse().migrate().await?;
    let password = match engine.password_file() {
        Some(file) => format!("in {}", file.display()),
        None => "as configured".to_owned(),
    };
    print(&format!(
        "ClickHouse ({})\n  URL       {}\n  user      {}\n  password  {password}\n  events    in the table events_local (the view events shows one app at a time)\nCtrl-C ends it.\n",
        engine.kind(),
        engine.http_url(),
        engine.user(),
    ));
    asked_to_stop().await;
    engine.stop().await;
    Ok(())
}

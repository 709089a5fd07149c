use anyhow::Result;
use tracing_subscriber::EnvFilter;

use crate::config::Config;
use crate::secrets;
use crate::serve::{Server, asked_to_stop};

/// Runs the server until it is told to stop.
pub async fn run(config: Config) -> Result<()> {
    speak(&config);
    let metrics = suanpan_server::install_recorder()?;
    let token_file = secrets::admin_token_file(&config.storage.data_dir);
    let server = Server::start(config, metrics).await?;
    let address = server.address()?;
    tracing::info!("Suanpan listens on http://{address}; the admin token stands in {}", token_file.display());
    server.run(asked_to_stop()).await?;
    tracing::info!("stopped; everything acknowledged is on disk");
    Ok(())
}

/// Writes what the process says about itself to standard error.
pub fn speak(config: &Config) {
    let filter = EnvFilter::new(&config.messages.level);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if config.messages.format == "json" {
        lines.json().init();
    } else {
        let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
        lines.with_ansi(colours).with_target(false).init();
    }
}

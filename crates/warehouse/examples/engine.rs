//! The engine on its own, for tests of crates that do not build the binary `suanpan`.
//!
//! `engine serve FOLDER` serves a ClickHouse for the tests of other processes until its input ends,
//! and prints the value for `SUANPAN_TEST_CLICKHOUSE_URL`. With the flags that an engine's parent
//! gives it is that parent's child, as the command `suanpan engine` is; with `--remove-folder-after`
//! before them, the folder goes when the engine has ended.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use suanpan_warehouse::{EngineChildArgs, run_engine_child, testing};

fn main() -> ExitCode {
    let mut given: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let [verb, folder] = given.as_slice()
        && verb == "serve"
    {
        return match serve(Path::new(folder)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error.to_string()),
        };
    }
    let remove_folder_after = given.first().is_some_and(|argument| argument == "--remove-folder-after");
    given.drain(..usize::from(remove_folder_after));
    match EngineChildArgs::parse(given.into_iter()) {
        Ok(args) => {
            let code = run_engine_child(&args);
            if remove_folder_after && code == ExitCode::SUCCESS {
                let _ = std::fs::remove_dir_all(&args.data_dir);
            }
            code
        }
        Err(message) => fail(&message),
    }
}

#[tokio::main]
async fn serve(folder: &Path) -> std::io::Result<()> {
    let (engine, url) = testing::serve_for_tests(folder).await;
    writeln!(std::io::stdout(), "{url}")?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    engine.stop().await;
    Ok(())
}

fn fail(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::FAILURE
}

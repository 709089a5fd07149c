//! The binary `suanpan`: configuration, roles, wiring, command line.

mod cli;
mod client;
mod codes_reference;
mod commands;
mod config;
mod demo;
mod duties;
mod folders;
mod import;
mod metrics_reference;
mod roles;
mod secrets;
mod serve;
mod table;

use std::process::ExitCode;

use clap::Parser as _;

/// Allocates faster and steadier than the system's allocator under many small, short-lived events.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The engine's child takes its flags from its parent, and must load its library before any
    // runtime or thread is there.
    let mut arguments = std::env::args_os();
    if arguments.nth(1).is_some_and(|command| command == "engine-child") {
        return run_engine_child(arguments);
    }
    let cli = cli::Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            install_crypto();
            let result = runtime.block_on(commands::run(cli));
            // Nothing that was promised waits in the background: what is left may be dropped.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("suanpan: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_engine_child(arguments: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    match suanpan_warehouse::EngineChildArgs::parse(arguments) {
        Ok(arguments) => suanpan_warehouse::run_engine_child(&arguments),
        Err(error) => {
            eprintln!("suanpan engine-child: {error}");
            ExitCode::FAILURE
        }
    }
}

fn install_crypto() {
    // Fails only if a provider is there already, which would do as well.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
}

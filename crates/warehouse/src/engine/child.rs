//! The engine's child process: the only unsafe code of the crate.
//!
//! The child serves until its standard input closes. The parent holds the other end of that pipe
//! and never writes to it, so the child ends with its parent however the parent ends. Nothing else
//! runs in the child: a crash of the engine takes no event with it.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The statement that serves until standard input closes. INFILE needs no right that anybody
/// else who reaches the port could use; the query itself reads nothing.
const SERVE: &str = "INSERT INTO FUNCTION null('x String') FROM INFILE '/dev/stdin' FORMAT TSV";

/// What the parent tells its child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineChildArgs {
    /// The engine's folder, with `engine.xml` rendered by the parent.
    pub data_dir: PathBuf,
    /// `libchdb.so`, unless `binary` is given.
    pub library: Option<PathBuf>,
    /// A `clickhouse` binary to run as a server instead.
    pub binary: Option<PathBuf>,
    /// Port of ClickHouse's HTTP protocol, on 127.0.0.1.
    pub http_port: u16,
    /// Port of the protocol that servers of a cluster speak among themselves, if it is to be served.
    pub tcp_port: Option<u16>,
}

impl EngineChildArgs {
    /// As command line arguments: `--data-dir`, `--library` or `--binary`, `--http-port`.
    pub fn to_args(&self) -> Vec<std::ffi::OsString> {
        let mut args = vec!["--data-dir".into(), self.data_dir.clone().into_os_string()];
        for (flag, path) in [("--library", &self.library), ("--binary", &self.binary)] {
            if let Some(path) = path {
                args.extend([flag.into(), path.clone().into_os_string()]);
            }
        }
        args.extend(["--http-port".into(), self.http_port.to_string().into()]);
        if let Some(port) = self.tcp_port {
            args.extend(["--tcp-port".into(), port.to_string().into()]);
        }
        args
    }

    /// Reads what [`Self::to_args`] wrote.
    ///
    /// # Errors
    /// A sentence naming the argument that is missing or unknown.
    pub fn parse(mut args: impl Iterator<Item = std::ffi::OsString>) -> Result<Self, String> {
        let (mut data_dir, mut library, mut binary) = (None, None, None);
        let (mut http_port, mut tcp_port) = (None, None);
        while let Some(flag) = args.next() {
            let value = args.next().ok_or_else(|| format!("{} needs a value", flag.display()))?;
            match flag.to_str() {
                Some("--data-dir") => data_dir = Some(PathBuf::from(value)),
                Some("--library") => library = Some(PathBuf::from(value)),
                Some("--binary") => binary = Some(PathBuf::from(value)),
                Some("--http-port") => http_port = value.to_str().and_then(|port| port.parse().ok()),
                Some("--tcp-port") => tcp_port = value.to_str().and_then(|port| port.parse().ok()),
                _ => return Err(format!("unknown argument {}", flag.display())),
            }
        }
        let data_dir = data_dir.ok_or("--data-dir is missing")?;
        let http_port = http_port.ok_or("--http-port is missing or no port")?;
        Ok(Self { data_dir, library, binary, http_port, tcp_port })
    }
}

/// Serves until standard input closes. Call it on the main thread, before any runtime is made.
///
/// Failure is told by the exit code or not: the library ends some with 0. The reason is always on
/// standard error, where the parent finds it.
pub fn run_engine_child(args: &EngineChildArgs) -> ExitCode {
    let outcome = match (&args.binary, &args.library) {
        (Some(binary), _) => serve_binary(binary, args),
        (None, Some(library)) => serve_library(library, args),
        (None, None) => Err("neither --library nor --binary was given".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{message}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn serve_library(library: &Path, args: &EngineChildArgs) -> Result<(), String> {
    if args.tcp_port.is_some() {
        // Shards that end together would wait for each other's connections.
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(|error| error.to_string())?;
    }
    let command_line: Vec<CString> = library_arguments(args)
        .into_iter()
        .map(|argument| CString::new(argument).map_err(|error| error.to_string()))
        .collect::<Result<_, _>>()?;
    // The list ends with a null pointer, as every C program's does.
    let mut argv: Vec<*mut c_char> = command_line
        .iter()
        .map(|argument| argument.as_ptr().cast_mut())
        .chain([std::ptr::null_mut()])
        .collect();
    let argc = c_int::try_from(command_line.len()).expect("there are about ten arguments");

    // SAFETY: loading runs the library's initialisers. It is the pinned libchdb, whose hash was
    // verified when it was fetched, and this process has done nothing yet that they could disturb.
    let chdb = unsafe { libloading::Library::new(library) }
        .map_err(|error| format!("{} cannot be loaded: {error}", library.display()))?;
    // SAFETY: the names and signatures are those of chdb.h in version 26.7.
    let (query, error_of) = unsafe {
        let query: libloading::Symbol<'_, unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut c_void> =
            chdb.get(b"chdb_query_cmdline\0").map_err(|error| error.to_string())?;
        let error_of: libloading::Symbol<'_, unsafe extern "C" fn(*mut c_void) -> *const c_char> =
            chdb.get(b"chdb_result_error\0").map_err(|error| error.to_string())?;
        (query, error_of)
    };
    // SAFETY: argv holds argc pointers to strings that outlive the call, then a null pointer.
    let result = unsafe { query(argc, argv.as_mut_ptr()) };
    if result.is_null() {
        return Err("the engine ended without a result".to_owned());
    }
    // SAFETY: the result is live; its error is null or a string that lives as long as it does. The
    // result and the library are left to the end of the process, which is now.
    let message = unsafe {
        let error = error_of(result);
        (!error.is_null()).then(|| CStr::from_ptr(error).to_string_lossy().into_owned())
    };
    std::mem::forget(chdb);
    message.map_or(Ok(()), Err)
}

fn library_arguments(args: &EngineChildArgs) -> Vec<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    let with_path = |prefix: &str, path: &Path| [prefix.as_bytes(), path.as_os_str().as_bytes()].concat();
    let (tcp_port, tcp_listen) = match args.tcp_port {
        Some(port) => (Some(format!("--tcp_port={port}").into_bytes()), "SYSTEM START LISTEN TCP; "),
        None => (None, ""),
    };
    let mut arguments = vec![
        // A program's name comes first; without it the first option is lost.
        b"clickhouse".to_vec(),
        with_path("--path=", &args.data_dir.join("data")),
        with_path("--config-file=", &args.data_dir.join("engine.xml")),
        format!("--http_port={}", args.http_port).into_bytes(),
        b"--listen_host=127.0.0.1".to_vec(),
        // The level in engine.xml is not heeded in this mode.
        b"--log-level=warning".to_vec(),
    ];
    arguments.extend(tcp_port);
    arguments.push(b"--query".to_vec());
    // HTTP last: who answers there has all of its ports.
    arguments.push(format!("{tcp_listen}SYSTEM START LISTEN HTTP; {SERVE}").into_bytes());
    arguments
}

/// Runs a `clickhouse` binary as a server, and ends it when standard input closes. If this process
/// is killed, the kernel ends the server: the death signal is bound to the thread that started
/// it, which is the main thread and lives as long as the process.
fn serve_binary(binary: &Path, args: &EngineChildArgs) -> Result<(), String> {
    let mut command = Command::new(binary);
    command
        .arg("server")
        .arg(format!("--config-file={}", args.data_dir.join("engine.xml").display()))
        .arg("--")
        .arg(format!("--http_port={}", args.http_port))
        .stdin(Stdio::null());
    // SAFETY: between fork and exec only prctl is called, which is safe after fork.
    unsafe {
        command.pre_exec(|| nix::sys::prctl::set_pdeathsig(Signal::SIGTERM).map_err(Into::into));
    }
    let mut server =
        command.spawn().map_err(|error| format!("{} cannot be started: {error}", binary.display()))?;
    let pid = Pid::from_raw(i32::try_from(server.id()).expect("a process id is an i32"));
    std::thread::spawn(move || {
        // Standard input carries nothing: this returns when it closes.
        let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
        let _ = kill(pid, Signal::SIGTERM);
    });
    let status = server.wait().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("{} server ended: {status}", binary.display())) }
}

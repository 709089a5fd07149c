use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::EventResult;
use crate::request::unix_ms;

/// The file of events whose request was refused for them alone: one JSON object a line. Bounded; what
/// comes when it is full is only counted and logged.
pub(crate) struct SetAside {
    path: PathBuf,
    bytes_max: u64,
}

#[derive(Serialize)]
struct Line<'a> {
    at: i64,
    code: &'a str,
    message: &'a str,
    event: &'a RawValue,
}

impl SetAside {
    pub(crate) fn new(dir: &Path, bytes_max: u64) -> Self {
        Self { path: dir.join("set-aside.ndjson"), bytes_max }
    }

    /// Adds an event. What can't be kept goes into the log of the program: it must not stop the others.
    pub(crate) fn add(&self, json: &[u8], result: &EventResult) {
        let (code, message) = (result.code.as_str(), result.message.as_str());
        let kept = self.write(json, code, message);
        let path = self.path.display();
        match kept {
            Ok(true) => tracing::error!(code, message, %path, "an event was refused and set aside"),
            Ok(false) => {
                tracing::error!(code, message, %path, "an event was refused, and the file for such is full");
            }
            Err(error) => {
                tracing::error!(code, message, %path, %error, "an event was refused, and could not be set aside");
            }
        }
    }

    fn write(&self, json: &[u8], code: &str, message: &str) -> io::Result<bool> {
        let event: &RawValue = serde_json::from_slice(json)?;
        let at = unix_ms(SystemTime::now());
        let mut line = serde_json::to_vec(&Line { at, code, message, event })?;
        line.push(b'\n');
        let mut file: File = OpenOptions::new().create(true).append(true).open(&self.path)?;
        if file.metadata()?.len() + line.len() as u64 > self.bytes_max {
            return Ok(false);
        }
        file.write_all(&line)?;
        file.sync_data()?;
        Ok(true)
    }
}

//! One setting: its name, meaning and limits, and how its text becomes a value.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use super::Config;

/// What a setting's value may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A whole number within limits, both inclusive.
    Number { min: u64, max: u64 },
    /// One of these.
    Choice(&'static [&'static str]),
    /// Any text.
    Text,
    /// A text that is never printed.
    Secret,
}

/// One setting.
pub(super) struct Setting {
    pub key: &'static str,
    pub doc: &'static str,
    pub unit: &'static str,
    pub kind: Kind,
    pub get: fn(&Config) -> String,
    pub set: fn(&mut Config, &str) -> Result<()>,
}

impl Setting {
    /// The part before the dot.
    pub fn section(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(section, _)| section)
    }

    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        format!("SUANPAN_{}", self.key.replace('.', "_").to_ascii_uppercase())
    }
}

/// A setting that is a whole number, in the field of this path.
macro_rules! number {
    ($key:literal, $($field:ident).+, $unit:literal, $min:expr, $max:expr, $doc:literal) => {
        Setting {
            key: $key, doc: $doc, unit: $unit, kind: Kind::Number { min: $min, max: $max },
            get: |config| config.$($field).+.to_string(),
            set: |config, text| {
                let number = whole_number(text, $min, $max)?;
                config.$($field).+ = number.try_into().context("the number is too large for this machine")?;
                Ok(())
            },
        }
    };
}
pub(super) use number;

/// A setting that is a text and not empty, in the field of this path.
macro_rules! text {
    ($key:literal, $($field:ident).+, $unit:literal, $doc:literal) => {
        Setting {
            key: $key, doc: $doc, unit: $unit, kind: Kind::Text,
            get: |config| config.$($field).+.clone(),
            set: |config, text| {
                anyhow::ensure!(!text.is_empty(), "it must not be empty");
                config.$($field).+ = text.to_owned();
                Ok(())
            },
        }
    };
}
pub(super) use text;

pub(super) fn whole_number(text: &str, min: u64, max: u64) -> Result<u64> {
    let number: u64 =
        text.replace('_', "").parse().with_context(|| format!("{text:?} is no whole number"))?;
    ensure!((min..=max).contains(&number), "{number} is not between {min} and {max}");
    Ok(number)
}

pub(super) fn flag(text: &str) -> Result<bool> {
    ensure!(matches!(text, "true" | "false"), "{text:?} is neither true nor false");
    Ok(text == "true")
}

pub(super) fn choice(text: &str, values: &[&str]) -> Result<String> {
    ensure!(values.contains(&text), "{text:?} is none of {}", values.join(", "));
    Ok(text.to_owned())
}

pub(super) fn optional(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

pub(super) fn shown(path: Option<&PathBuf>) -> String {
    path.map(|p| p.display().to_string()).unwrap_or_default()
}

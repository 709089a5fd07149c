//! Step 4, parameters: every value of a statement, in the engine's text form.

use std::fmt::Write;

/// The parameters of one statement. Names are ours; values are input and are escaped here.
#[derive(Debug, Default)]
pub(crate) struct Params {
    bound: Vec<(String, String)>,
    values: usize,
}

impl Params {
    /// Binds a value under a name of ours, once; gives `{name:Type}`.
    pub(crate) fn named(&mut self, name: &str, kind: &str, value: impl FnOnce() -> String) -> String {
        if !self.bound.iter().any(|(known, _)| known == name) {
            self.bound.push((name.to_owned(), value()));
        }
        format!("{{{name}:{kind}}}")
    }

    /// Binds a value of the rule under the next free name: `v1`, `v2` …
    fn value(&mut self, kind: &str, value: String) -> String {
        self.values += 1;
        let name = format!("v{}", self.values);
        self.named(&name, kind, || value)
    }

    pub(crate) fn text(&mut self, value: &str) -> String {
        self.value("String", escaped(value))
    }

    pub(crate) fn texts(&mut self, values: &[String]) -> String {
        self.value("Array(String)", text_array(values))
    }

    pub(crate) fn number(&mut self, value: f64) -> String {
        self.value("Float64", number(value))
    }

    pub(crate) fn numbers(&mut self, values: &[f64]) -> String {
        let list = values.iter().map(|v| number(*v)).collect::<Vec<_>>().join(",");
        self.value("Array(Float64)", format!("[{list}]"))
    }

    pub(crate) fn into_bound(self) -> Vec<(String, String)> {
        self.bound
    }
}

/// The shortest decimal that reads back the same.
fn number(value: f64) -> String {
    format!("{value:e}")
}

/// A text as a parameter of type `String`: the engine undoes the escapes of its TSV format.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push_str("\\0"),
            c => out.push(c),
        }
    }
    out
}

/// Texts as a parameter of type `Array(String)`: quoted, with the same escapes.
fn text_array(texts: &[String]) -> String {
    let mut out = String::from("[");
    for (at, text) in texts.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let quoted = escaped(text).replace('\'', "\\'");
        // Writing to a String can't fail.
        let _ = write!(out, "{comma}'{quoted}'");
    }
    out.push(']');
    out
}

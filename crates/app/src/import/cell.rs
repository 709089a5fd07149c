use suanpan_event::properties::kind_of;

/// One value as it stands in a file.
#[derive(Debug, Clone, Copy)]
pub enum Cell<'a> {
    /// A CSV value.
    Text(&'a str),
    /// A JSON value's text.
    Json(&'a str),
}

impl<'a> Cell<'a> {
    /// Whether nothing is set: empty text, or null.
    pub fn is_empty(self) -> bool {
        matches!(self, Self::Text("") | Self::Json("null"))
    }

    /// Appends the value as JSON and says what it was. JSON stays as it is, CSV text that is a
    /// JSON number or says true or false becomes that; with `keep_text` numbers and booleans
    /// of both become text.
    pub fn write(self, keep_text: bool, out: &mut Vec<u8>) -> &'static str {
        match self {
            Self::Json(raw) if keep_text && !raw.starts_with(['"', '{', '[']) => {
                write_text(raw, out);
                "text"
            }
            Self::Json(raw) => {
                out.extend_from_slice(raw.as_bytes());
                kind_of(raw)
            }
            Self::Text(text) if !keep_text && is_number(text) => {
                out.extend_from_slice(text.as_bytes());
                "number"
            }
            Self::Text("true" | "True" | "TRUE") if !keep_text => {
                out.extend_from_slice(b"true");
                "boolean"
            }
            Self::Text("false" | "False" | "FALSE") if !keep_text => {
                out.extend_from_slice(b"false");
                "boolean"
            }
            Self::Text(text) => {
                write_text(text, out);
                "text"
            }
        }
    }
}

/// Appends a text as a JSON string.
pub fn write_text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a text is always JSON, and memory takes it");
}

/// Whether the text is a number as JSON writes it, and one that keeps its value when read as a
/// double: no leading zeros or plus, no whole number beyond 2^53, nothing infinite.
fn is_number(text: &str) -> bool {
    const EXACT_MAX: u64 = 1 << 53;
    let digits = text.strip_prefix('-').unwrap_or(text);
    match digits.as_bytes() {
        [b'0'] => true,
        [b'0', second, ..] if !matches!(second, b'.' | b'e' | b'E') => false,
        [b'0'..=b'9', ..] => match digits.bytes().all(|b| b.is_ascii_digit()) {
            true => digits.parse::<u64>().is_ok_and(|number| number <= EXACT_MAX),
            false => {
                serde_json::from_str::<f64>(text).is_ok_and(f64::is_finite)
                    && !text.ends_with(char::is_whitespace)
            }
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_values_get_the_type_they_look_like() {
        let check = |text: &str, expected: &str| {
            let mut out = Vec::new();
            Cell::Text(text).write(false, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{text}");
        };
        check("12", "12");
        check("-0.50", "-0.50");
        check("1e3", "1e3");
        check("0", "0");
        check("9007199254740992", "9007199254740992");
        check("9007199254740993", "\"9007199254740993\"");
        check("-9007199254740993", "\"-9007199254740993\"");
        check("18446744073709551616", "\"18446744073709551616\"");
        check("1e400", "\"1e400\"");
        check("007", "\"007\"");
        check("+1", "\"+1\"");
        check(".5", "\".5\"");
        check("5.", "\"5.\"");
        check("1 ", "\"1 \"");
        check("1.5 ", "\"1.5 \"");
        check("-", "\"-\"");
        check("true", "true");
        check("FALSE", "false");
        check("tRue", "\"tRue\"");
        check("null", "\"null\"");
        check("NaN", "\"NaN\"");
        check("a \"b\"\n", "\"a \\\"b\\\"\\n\"");
    }

    #[test]
    fn values_that_are_to_stay_text_do() {
        let check = |cell: Cell<'_>, expected: &str| {
            let mut out = Vec::new();
            cell.write(true, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{cell:?}");
        };
        check(Cell::Text("12"), "\"12\"");
        check(Cell::Text("true"), "\"true\"");
        check(Cell::Json("12.50"), "\"12.50\"");
        check(Cell::Json("\"a\""), "\"a\"");
        check(Cell::Json("[1]"), "[1]");
    }
}

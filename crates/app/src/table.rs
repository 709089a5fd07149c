//! Tables and bars for a terminal.

use unicode_width::UnicodeWidthStr;

/// A table of texts. Columns marked as numbers are aligned right.
#[derive(Debug, Default)]
pub struct Table {
    head: Vec<String>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these column heads; a head that starts with `#` is a number column.
    pub fn new<S: AsRef<str>>(heads: impl IntoIterator<Item = S>) -> Self {
        let mut table = Self::default();
        for head in heads {
            let head = head.as_ref();
            table.right.push(head.starts_with('#'));
            table.head.push(printable(head.trim_start_matches('#').to_owned()));
        }
        table
    }

    /// Adds a row; missing cells are empty. Control characters are shown escaped, such as `\u{1b}`.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(printable).collect());
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as lines, each indented by `indent` spaces.
    pub fn render(&self, indent: usize) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.chain(self.head.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let rule: Vec<String> = widths.iter().map(|w| "─".repeat(*w)).collect();
        let lines = [&self.head, &rule].into_iter().chain(&self.rows);
        lines.map(|row| self.line(row, &widths, indent)).collect()
    }

    fn line(&self, row: &[String], widths: &[usize], indent: usize) -> String {
        let mut line = " ".repeat(indent);
        for (column, width) in widths.iter().enumerate() {
            let cell = row.get(column).map_or("", String::as_str);
            let padding = " ".repeat(width.saturating_sub(cell.width()));
            if self.right[column] {
                line.push_str(&padding);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&padding);
            }
            line.push_str("  ");
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }
}

/// Cells hold what events say, and whoever may report must not command the reader's terminal.
/// The text with control characters escaped, such as `\u{1b}`: what clients sent must not steer a terminal.
pub fn printable(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if character.is_control() {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// A bar whose length is `value` of `max`, at most `width` cells, in eighths of a cell.
pub fn bar(value: f64, max: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if value.is_nan() || max.is_nan() || value <= 0.0 || max <= 0.0 {
        return String::new();
    }
    // The ratio is within 0 to 1, so the eighths fit any integer.
    let eighths = ((value / max).min(1.0) * width as f64 * 8.0).round() as usize;
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// Several values as one line of small bars.
pub fn sparkline(values: &[f64]) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let max = values.iter().copied().fold(0.0, f64::max);
    let level =
        |value: f64| if max <= 0.0 { 0 } else { ((value / max) * 7.0).round().clamp(0.0, 7.0) as usize };
    values.iter().map(|value| LEVELS[level(*value)]).collect()
}

/// A number for people: thousands separated, at most two decimals.
pub fn number(value: f64) -> String {
    let rounded = format!("{value:.2}");
    let rounded = rounded.trim_end_matches('0').trim_end_matches('.');
    let (sign, rest) = rounded.strip_prefix('-').map_or(("", rounded), |rest| ("-", rest));
    let (whole, fraction) = rest.split_once('.').map_or((rest, None), |(w, f)| (w, Some(f)));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match fraction {
        Some(fraction) => format!("{sign}{grouped}.{fraction}"),
        None => format!("{sign}{grouped}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_also_in_chinese() {
        let mut table = Table::new(["name", "#events"]);
        table.row(["下单".to_owned(), "1,204".to_owned()]);
        table.row(["view".to_owned(), "7".to_owned()]);
        assert_eq!(table.render(1), " name  events\n ────  ──────\n 下单   1,204\n view       7\n");
    }

    #[test]
    fn control_characters_are_shown_rather_than_obeyed() {
        let mut table = Table::new(["a\u{7}", "#b"]);
        table.row(["\u{1b}[31m红\n\u{9b}2J\u{7f}".to_owned(), "1\t".to_owned()]);
        let cell = "\\u{1b}[31m红\\n\\u{9b}2J\\u{7f}";
        let rule = "─".repeat(cell.width());
        let head = format!("a\\u{{7}}{}", " ".repeat(cell.width() - 6));
        assert_eq!(table.render(0), format!("{head}    b\n{rule}  ───\n{cell}  1\\t\n"));
    }

    #[test]
    fn numbers_are_grouped() {
        let check = |value: f64, expected: &str| assert_eq!(number(value), expected);
        check(0.0, "0");
        check(1234.5, "1,234.5");
        check(-1_000_000.0, "-1,000,000");
        check(0.126, "0.13");
    }

    #[test]
    fn bars_are_proportional() {
        assert_eq!(bar(10.0, 10.0, 4), "████");
        assert_eq!(bar(5.0, 10.0, 4), "██");
        assert_eq!(bar(0.0, 10.0, 4), "");
        assert_eq!(sparkline(&[0.0, 7.0]), "▁█");
    }
}

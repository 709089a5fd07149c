use anyhow::{Context as _, Result};
use serde_json::Value;

use super::apps::cell;
use super::print;
use crate::cli::{AskArgs, ExplainArgs, Output};
use crate::client::{Client, read_input, segment};
use crate::table::{Table, number};

/// `suanpan ask`
pub async fn run(args: AskArgs) -> Result<()> {
    let client = Client::new(&args.remote)?;
    let path = format!("/api/apps/{}/ask", segment(&args.app.app));
    let answer: Value = client.post_text(&path, read_input(&args.file)?).await?;
    print(&shown(&answer, args.output)?);
    Ok(())
}

/// `suanpan explain`
pub async fn explain(args: ExplainArgs) -> Result<()> {
    let client = Client::new(&args.remote)?;
    let path = format!("/api/apps/{}/explain", segment(&args.app.app));
    let explained: Value = client.post_text(&path, read_input(&args.file)?).await?;
    if args.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&explained)?));
        return Ok(());
    }
    let mut text = format!("{}\n", cell(&explained["plan"]).trim_end());
    let mut slots = Table::new(["attribute", "column", "read from"]);
    for slot in explained["slots"].as_array().into_iter().flatten() {
        let from = match (slot["slot"].is_null(), slot["covered"] == true) {
            (true, _) => "JSON",
            (false, true) => "the column",
            (false, false) => "the column, and JSON where rows are older than it",
        };
        slots.row([cell(&slot["attribute"]), cell(&slot["slot"]), from.to_owned()]);
    }
    if !slots.is_empty() {
        text.push_str(&format!("\n{}", slots.render(0)));
    }
    for statement in explained["statements"].as_array().into_iter().flatten() {
        text.push_str(&format!("\n{};\n", cell(&statement["sql"]).trim_end()));
        for pair in statement["params"].as_array().into_iter().flatten() {
            text.push_str(&format!("  {} = {}\n", cell(&pair[0]), cell(&pair[1])));
        }
    }
    text.push_str(&format!("\nrows to read: at most {}\n", cell(&explained["rows_to_read"])));
    print(&text);
    Ok(())
}

/// An answer as the person wants it.
pub fn shown(answer: &Value, output: Output) -> Result<String> {
    if output.json {
        return Ok(format!("{}\n", serde_json::to_string_pretty(answer)?));
    }
    let grid = Grid::of(answer);
    if output.csv {
        return grid.csv();
    }
    let fresh = match answer["cache"].as_str() {
        Some("hit") => "from the cache, nothing new since",
        Some("stale") => "from the cache, newer events have arrived since",
        Some("shared") => "computed together with another asker",
        _ => "computed now",
    };
    let took = answer["took_ms"].as_f64().unwrap_or_default();
    let rows = answer["rows_read"].as_f64().unwrap_or_default();
    let zone = cell(&answer["zone"]);
    Ok(format!("{}\n{took:.1} ms, {fresh}; {} rows read; times in {zone}\n", grid.table(), number(rows)))
}

/// An answer as rows: one for each bucket of each series, or one for each series.
struct Grid {
    heads: Vec<String>,
    texts: usize,
    rows: Vec<(Vec<String>, Vec<Option<f64>>)>,
}

impl Grid {
    fn of(answer: &Value) -> Self {
        let names = |field: &str| -> Vec<String> {
            answer[field].as_array().into_iter().flatten().map(cell).collect()
        };
        let (measures, breakdown) = (names("measures"), names("breakdown"));
        let buckets: Vec<String> =
            answer["buckets"].as_array().into_iter().flatten().map(|b| cell(&b["label"])).collect();
        let compares = !answer["previous_range"].is_null();
        let mut heads = Vec::new();
        if !buckets.is_empty() {
            heads.push(cell(&answer["interval"]));
        }
        heads.extend(breakdown.iter().cloned());
        let texts = heads.len();
        for measure in &measures {
            heads.push(measure.clone());
            if compares {
                heads.push(format!("{measure} before"));
            }
        }
        let mut grid = Self { heads, texts, rows: Vec::new() };
        for series in answer["series"].as_array().into_iter().flatten() {
            grid.add(series, &buckets, breakdown.len(), compares);
        }
        grid
    }

    fn add(&mut self, series: &Value, buckets: &[String], breakdown: usize, compares: bool) {
        let group = group(series, breakdown);
        let value = |of: &Value, measure: usize, bucket: Option<usize>| match bucket {
            Some(bucket) => of["points"][measure][bucket].as_f64(),
            None => of["total"][measure].as_f64(),
        };
        let measures = series["total"].as_array().map_or(0, Vec::len);
        let places: Vec<Option<usize>> =
            if buckets.is_empty() { vec![None] } else { (0..buckets.len()).map(Some).collect() };
        for place in places {
            let mut texts: Vec<String> = place.map(|at| buckets[at].clone()).into_iter().collect();
            texts.extend(group.iter().cloned());
            let mut values = Vec::new();
            for measure in 0..measures {
                values.push(value(series, measure, place));
                if compares {
                    values.push(value(&series["previous"], measure, place));
                }
            }
            self.rows.push((texts, values));
        }
    }

    fn table(&self) -> String {
        let heads = self.heads.iter().enumerate();
        let mut table = Table::new(
            heads.map(|(at, head)| if at < self.texts { head.clone() } else { format!("#{head}") }),
        );
        for (texts, values) in &self.rows {
            let values = values.iter().map(|v| v.map_or_else(|| "–".to_owned(), number));
            table.row(texts.iter().cloned().chain(values));
        }
        table.render(0)
    }

    fn csv(&self) -> Result<String> {
        let mut out = csv::Writer::from_writer(Vec::new());
        out.write_record(&self.heads)?;
        for (texts, values) in &self.rows {
            let values = values.iter().map(|v| v.map(|v| v.to_string()).unwrap_or_default());
            out.write_record(texts.iter().cloned().chain(values))?;
        }
        String::from_utf8(out.into_inner()?).context("CSV of texts is text")
    }
}

/// The names of a series' group.
pub fn group(series: &Value, breakdown: usize) -> Vec<String> {
    if series["others"] == true {
        return vec!["(others)".to_owned(); breakdown];
    }
    let shown = |value: &Value| if value.is_null() { "(not set)".to_owned() } else { cell(value) };
    series["group"].as_array().into_iter().flatten().map(shown).collect()
}

//! Stands before a server of 2018 and speaks for it as a server of today would understand.
//!
//! What it changes, and nothing else: settings that the old one does not know are left out; rows that come as an
//! Arrow stream are passed on as lines of JSON; the code of an error is put into the header where it stands
//! today. Which replica is used, what is sent again, in which order and with which rows is all up to the sender.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, TimestampMillisecondType, UInt32Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_schema::DataType;
use reqwest::{Client, Url};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What the old server knows of what is sent to it.
const KNOWN: [&str; 6] =
    ["query", "query_id", "database", "max_insert_block_size", "insert_quorum", "wait_end_of_query"];

/// It listens until it is dropped, and breaks its connections then.
#[derive(Debug)]
pub struct Adapter {
    port: u16,
    tasks: Option<JoinSet<()>>,
    old_port: u16,
    inserts: Arc<AtomicU64>,
}

impl Adapter {
    pub async fn before(old_port: u16) -> Self {
        let mut adapter = Self { port: 0, tasks: None, old_port, inserts: Arc::default() };
        adapter.listen().await;
        adapter
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// INSERTs that the server behind it has answered well.
    pub fn inserts(&self) -> u64 {
        self.inserts.load(Ordering::Relaxed)
    }

    /// As if the machine were gone: connections break, and new ones are refused.
    pub fn vanish(&mut self) {
        self.tasks = None;
    }

    /// Listens again where it did.
    pub async fn listen(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.port = listener.local_addr().unwrap().port();
        let old = Url::parse(&format!("http://127.0.0.1:{}/", self.old_port)).unwrap();
        let mut tasks = JoinSet::new();
        let inserts = Arc::clone(&self.inserts);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, old.clone(), Client::new(), Arc::clone(&inserts)));
            }
        });
        self.tasks = Some(tasks);
    }
}

/// Answers requests until either side goes away.
async fn serve(stream: TcpStream, old: Url, client: Client, inserts: Arc<AtomicU64>) {
    let mut stream = BufReader::new(stream);
    while let Some((target, body)) = request(&mut stream).await {
        let Some(answer) = forward(&client, &old, &target, body).await else { return };
        if target.contains("query=INSERT") && answer.starts_with(b"HTTP/1.1 200") {
            inserts.fetch_add(1, Ordering::Relaxed);
        }
        if stream.get_mut().write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// A request's target and body.
async fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|bytes| *bytes > 0)?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        stream.read_line(&mut line).await.ok().filter(|bytes| *bytes > 0)?;
        if line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((target, body))
}

/// The old server's answer, as today's would say it. None if it is away.
async fn forward(client: &Client, old: &Url, target: &str, body: Vec<u8>) -> Option<Vec<u8>> {
    let asked = old.join(target).unwrap();
    let mut url = old.clone();
    let mut body = body;
    for (name, value) in asked.query_pairs().filter(|(name, _)| KNOWN.contains(&name.as_ref())) {
        let value = match value.strip_suffix("FORMAT ArrowStream") {
            Some(insert) if name == "query" => {
                body = lines_of(&body);
                format!("{insert}FORMAT JSONEachRow")
            }
            _ => value.into_owned(),
        };
        url.query_pairs_mut().append_pair(&name, &value);
    }
    let response = client.post(url).body(body).send().await.ok()?;
    let status = response.status();
    let text = response.bytes().await.ok()?;
    let words = String::from_utf8_lossy(&text);
    let code = words.strip_prefix("Code: ").and_then(|rest| rest.split(',').next());
    let code = code.filter(|_| !status.is_success());
    let code = code.map(|code| format!("X-ClickHouse-Exception-Code: {code}\r\n")).unwrap_or_default();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{code}\r\n", text.len());
    Some([head.as_bytes(), &text].concat())
}

/// The rows of an Arrow stream as lines of JSON.
fn lines_of(stream: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    for batch in StreamReader::try_new(Cursor::new(stream), None).unwrap() {
        let batch = batch.unwrap();
        for row in 0..batch.num_rows() {
            serde_json::to_writer(&mut lines, &row_of(&batch, row)).unwrap();
            lines.push(b'\n');
        }
    }
    lines
}

fn row_of(batch: &RecordBatch, row: usize) -> Map<String, Value> {
    let schema = batch.schema();
    let columns: BTreeMap<&str, Value> = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .filter(|(_, column)| column.is_valid(row))
        .map(|(field, column)| (field.name().as_str(), value_of(column, row)))
        .collect();
    columns.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Times lose their milliseconds: the old server has no type for them.
fn value_of(column: &dyn Array, row: usize) -> Value {
    match column.data_type() {
        DataType::Utf8 => json!(column.as_string::<i32>().value(row)),
        DataType::UInt32 => json!(column.as_primitive::<UInt32Type>().value(row)),
        DataType::UInt64 => json!(column.as_primitive::<UInt64Type>().value(row)),
        DataType::Float64 => json!(column.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => json!(u8::from(column.as_boolean().value(row))),
        DataType::Timestamp(..) => json!(column.as_primitive::<TimestampMillisecondType>().value(row) / 1000),
        DataType::Date32 => {
            let day = i64::from(column.as_primitive::<Date32Type>().value(row));
            json!(suanpan_event::report_date(day * 86_400_000).to_string())
        }
        other => panic!("no rows have {other}"),
    }
}

//! Imports through a real gateway, with a catalog and a log on disk.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use suanpan_catalog::{Catalog, KeyKind, NewApp, NewKey};
use suanpan_event::Event;
use suanpan_gateway::{Gateway, GatewayLimits, GatewayParts, router, system_clock};
use suanpan_log::{EmbeddedLog, Entry, EventLog, LogConfig};
use suanpan_sdk::Pauses;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::options::{ImportOptions, Target};
use super::run::{import, run};
use super::send::Patience;

/// A gateway that listens.
struct TestGateway {
    folder: TempDir,
    catalog: Catalog,
    log: Arc<dyn EventLog>,
    address: String,
    key: String,
    server: Option<JoinHandle<()>>,
    limits: GatewayLimits,
}

impl TestGateway {
    async fn start() -> Self {
        Self::with_limits(GatewayLimits::default()).await
    }

    async fn with_limits(limits: GatewayLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&folder.path().join("catalog.sqlite")).await.unwrap();
        let app = NewApp { id: "shop".parse().unwrap(), title: "Shop".into(), time_zone: "UTC".into() };
        catalog.create_app(app).await.unwrap();
        let config = LogConfig { partitions: 1, ..LogConfig::new(folder.path().join("log")) };
        let log: Arc<dyn EventLog> = Arc::new(EmbeddedLog::open(config).unwrap());
        let mut gateway = Self {
            folder,
            catalog,
            log,
            address: "127.0.0.1:0".into(),
            key: String::new(),
            server: None,
            limits,
        };
        gateway.key = gateway.make_key(KeyKind::Write, true).await;
        gateway.listen().await;
        gateway
    }

    async fn make_key(&self, kind: KeyKind, may_report_old: bool) -> String {
        let key = NewKey { may_report_old, ..NewKey::new(kind) };
        let (_, secret) = self.catalog.create_key(&"shop".parse().unwrap(), key).await.unwrap();
        secret.expose().to_owned()
    }

    /// Listens on its address; the first time on a free port.
    async fn listen(&mut self) {
        let listener = TcpListener::bind(&self.address).await.unwrap();
        self.address = listener.local_addr().unwrap().to_string();
        let (catalog, log) = (self.catalog.clone(), self.log.clone());
        let parts = GatewayParts::new(catalog, log, self.limits.clone(), system_clock());
        let gateway = Gateway::open(parts).await.unwrap();
        self.server =
            Some(tokio::spawn(async move { axum::serve(listener, router(gateway)).await.unwrap() }));
    }

    async fn hang_up(&mut self) {
        let server = self.server.take().unwrap();
        server.abort();
        assert!(server.await.unwrap_err().is_cancelled());
    }

    fn target(&self) -> Target {
        Target { url: format!("http://{}", self.address), key: self.key.clone() }
    }

    /// A file to import.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    async fn end_offset(&self) -> u64 {
        self.log.positions().await.unwrap()[0].end_offset
    }

    /// All events in the log, in order, as JSON of the log's short names.
    async fn events(&self) -> Vec<Value> {
        let mut reader = self.log.look(0, 0).await.unwrap();
        let mut events = Vec::new();
        while (events.len() as u64) < self.end_offset().await {
            for entry in reader.next_batch(1000, 1 << 20, Duration::from_secs(5)).await.unwrap() {
                let Entry::Record { payload, .. } = entry else { panic!("the log is damaged") };
                events.push(serde_json::to_value(Event::decode(&payload).unwrap()).unwrap());
            }
        }
        events
    }
}

fn options(file: &Path, map: &[(&str, &str)]) -> ImportOptions {
    ImportOptions { progress: false, ..ImportOptions::new(file.to_owned(), map) }
}

/// A shop's CSV with this many lines below its header.
fn shop(lines: usize) -> String {
    let line = |n: usize| format!("2026-03-01 08:00:{:02},u{},buy,{n}\n", n % 60, n % 7);
    std::iter::once("time,user_id,event,amount\n".to_owned()).chain((0..lines).map(line)).collect()
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

fn ids(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["id"].as_str().unwrap()).collect()
}

fn rejects_of(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn files_in(folder: &Path) -> HashSet<String> {
    let names =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with("catalog") && name != "log").collect()
}

#[tokio::test]
async fn a_csv_file_becomes_events() {
    let gateway = TestGateway::start().await;
    let file = gateway.file(
        "shop.csv",
        "\u{feff}when,customer,action,price,zip,note,vip,secret\r\n\
         1772323200,17,buy,9.50,01234,\"say \"\"hi\"\",\nplease\",true,x\r\n\
         2026-03-01,18,look,,1,,,x\r\n",
    );
    let mut options = options(
        &file,
        &[("when", "time"), ("customer", "user_id"), ("action", "event"), ("price", "properties.amount")],
    );
    options.map.push("secret=-".parse().unwrap());
    options.text_columns.push("zip".into());
    options.constants.push(super::field::constant("properties.source=import").unwrap());
    options.time_zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
    let report = run(&options, &gateway.target()).await.unwrap();
    assert_eq!((report.lines, report.accepted, report.rejected, report.warnings), (2, 2, 0, 0), "{report}");
    assert_eq!(report.rejects_file, None);
    let events = gateway.events().await;
    assert_eq!(events[0]["event"], "buy");
    assert_eq!(events[0]["user"], "17");
    assert_eq!(events[0]["time"], 1_772_323_200_000_i64);
    let expected = serde_json::json!({
        "source": "import", "amount": 9.5, "zip": "01234", "note": "say \"hi\",\nplease", "vip": true
    });
    assert_eq!(events[0]["props"], expected);
    assert_eq!(events[1]["time"], 1_772_323_200_000_i64 - 8 * 3_600_000);
    assert_eq!(events[1]["props"], serde_json::json!({ "source": "import", "zip": "1" }));
    assert_eq!(files_in(gateway.folder.path()), HashSet::from(["shop.csv".to_owned()]));
}

#[tokio::test]
async fn an_ndjson_file_becomes_events() {
    let gateway = TestGateway::start().await;
    let file = gateway.file(
        "visits.ndjson",
        concat!(
            r#"{"id":"a-1","ts":"2026-03-01T00:00:00Z","user":{"id":5,"name":"王"},"amount":12345678901234567890,"tags":["x"]}"#,
            "\n",
            r#"{"ts":1772323200000,"user":{"id":"6"},"properties":{"from":"ad"},"none":null}"#,
            "\n",
        ),
    );
    let mut options = options(&file, &[("user.id", "user_id")]);
    options.map.push("user=-".parse().unwrap());
    options.constants.push(super::field::constant("event=visit").unwrap());
    let report = run(&options, &gateway.target()).await.unwrap();
    assert_eq!((report.lines, report.accepted), (2, 2), "{report}");
    let events = gateway.events().await;
    assert_eq!(events[0]["user"], "5");
    assert_eq!(events[0]["id"], suanpan_event::named_id("a-1").to_string());
    assert_eq!(events[0]["props"]["amount"].to_string(), "12345678901234567890");
    assert_eq!(events[0]["props"]["tags"], serde_json::json!(["x"]));
    assert!(events[0]["props"].get("user").is_none());
    assert_eq!(events[1]["props"], serde_json::json!({ "from": "ad" }));
}

#[tokio::test]
async fn bad_lines_are_kept_with_their_number_and_the_rest_goes_on() {
    let gateway = TestGateway::start().await;
    let mut content = b"time,user_id,event,amount\n".to_vec();
    content.extend_from_slice(b"2026-03-01,u,ok,1\n");
    content.extend_from_slice(b"2026-03-01,u,narrow\n");
    content.extend_from_slice(b"yesterday,u,timeless,1\n");
    content.extend_from_slice(b"2026-03-01,u,\xff,1\n");
    content.extend_from_slice(b"2126-03-01,u,future,1\n");
    content.extend_from_slice(b"2026-03-01,,nobody,1\n");
    content.extend_from_slice(b"2026-03-01,u,\"open,1\n");
    content.extend_from_slice(b"2026-03-01,u,ok,2\n");
    content.extend_from_slice(format!("2026-03-01,u,large,{}\n", "x".repeat(40_000)).as_bytes());
    content.extend_from_slice(b"2026-03-01,u,ok,3");
    let file = gateway.file("shop.csv", content);
    let report = run(&options(&file, &[]), &gateway.target()).await.unwrap();
    assert_eq!((report.lines, report.accepted, report.rejected), (10, 3, 7), "{report}");
    let rejects = rejects_of(report.rejects_file.as_deref().unwrap());
    let lines: Vec<(u64, &str)> =
        rejects.iter().map(|r| (r["line"].as_u64().unwrap(), r["code"].as_str().unwrap())).collect();
    let expected = [
        (3, "csv_width"),
        (4, "time_invalid"),
        (5, "not_utf8"),
        (6, "time_in_future"),
        (7, "identity_missing"),
        (8, "csv_quote"),
        (10, "event_too_large"),
    ];
    assert_eq!(lines, expected);
    assert_eq!(rejects[1]["text"], "yesterday,u,timeless,1");
    assert_eq!(rejects[1]["field"], "time");
    assert_eq!(rejects[3]["text"], "2126-03-01,u,future,1");
    let text = report.to_string();
    assert!(text.contains("csv_width 1, first in line 3") && text.contains("rejects.ndjson"), "{text}");

    let file = gateway.file("shop.csv", shop(1));
    let report = run(&options(&file, &[]), &gateway.target()).await.unwrap();
    assert_eq!(report.rejected, 0);
    assert_eq!(files_in(gateway.folder.path()), HashSet::from(["shop.csv".to_owned()]));
}

#[tokio::test]
async fn bad_ndjson_lines_are_kept_too() {
    let gateway = TestGateway::start().await;
    let good = r#"{"event":"e","user_id":"u","time":"2026-03-01"}"#;
    let file = gateway.file(
        "e.ndjson",
        format!(
            "{good}\n{{\"event\":\n[1]\n{good}\n{{\"event\":1.5,\"user_id\":\"u\",\"time\":1772323200}}\n"
        ),
    );
    let report = run(&options(&file, &[]), &gateway.target()).await.unwrap();
    assert_eq!((report.lines, report.accepted, report.rejected), (5, 2, 3), "{report}");
    let rejects = rejects_of(report.rejects_file.as_deref().unwrap());
    let codes: Vec<&str> = rejects.iter().map(|r| r["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["malformed", "malformed", "wrong_type"]);
    assert_eq!(rejects[2]["field"], "event");
}

#[tokio::test]
async fn the_same_content_makes_the_same_ids_wherever_it_lies() {
    let gateway = TestGateway::start().await;
    let text = shop(1200);
    for (name, content) in [
        ("a.csv", text.clone().into_bytes()),
        ("b.csv", text.clone().into_bytes()),
        ("c.csv.gz", gzipped(&text)),
    ] {
        let report = run(&options(&gateway.file(name, content), &[]), &gateway.target()).await.unwrap();
        assert_eq!((report.lines, report.accepted, report.duplicate), (1200, 1200, 0), "{name}");
    }
    let events = gateway.events().await;
    let ids = ids(&events);
    assert_eq!(ids.len(), 3600);
    assert_eq!(ids[..1200], ids[1200..2400]);
    assert_eq!(ids[..1200], ids[2400..]);
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 1200);
}

#[tokio::test]
async fn equal_ids_in_a_request_are_counted_as_duplicates() {
    let gateway = TestGateway::start().await;
    let file = gateway
        .file("shop.csv", "id,time,user_id,event\n1,2026-03-01,u,e\n1,2026-03-01,u,e\n2,2026-03-01,u,e\n");
    let report = run(&options(&file, &[]), &gateway.target()).await.unwrap();
    assert_eq!((report.lines, report.accepted, report.duplicate), (3, 2, 1));
}

/// Imports, and drops the import as soon as the log holds some events, as a kill would.
async fn import_and_kill(gateway: &TestGateway, options: &ImportOptions, events: u64) {
    let target = gateway.target();
    let enough = async {
        while gateway.end_offset().await < events {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = enough => {}
        ended = run(options, &target) => panic!("it ended before the kill: {ended:?}"),
    }
}

#[tokio::test]
async fn a_killed_import_goes_on_behind_the_last_acknowledged_batch() {
    let gateway = TestGateway::start().await;
    let mut text = shop(1000);
    text.push_str("bad\n");
    text.push_str(&shop(1000)["time,user_id,event,amount\n".len()..]);
    let text = text.replacen("2026-03-01 08:00:05,", "soon,", 1);
    for (name, content) in [("shop.csv", text.clone().into_bytes()), ("packed.csv.gz", gzipped(&text))] {
        let file = gateway.file(name, content);
        let options = ImportOptions { batch_events: 10, ..options(&file, &[]) };
        let begin = gateway.end_offset().await;
        import_and_kill(&gateway, &options, begin + 50).await;
        import_and_kill(&gateway, &options, begin + 300).await;
        let report = run(&options, &gateway.target()).await.unwrap();
        assert!(report.skipped_before_resume >= 200, "{report}");
        assert_eq!((report.lines, report.accepted, report.rejected), (2001, 1999, 2), "{report}");
        let lines: Vec<Value> =
            rejects_of(&options.rejects_file()).iter().map(|reject| reject["line"].clone()).collect();
        assert_eq!(lines, [7, 1002]);
        assert!(!options.state_file().exists());

        // Batches whose acknowledgement the kill swallowed came twice, under the same ids.
        let events = gateway.events().await;
        let of_this_file = &events[usize::try_from(begin).unwrap()..];
        let distinct: HashSet<_> = ids(of_this_file).into_iter().collect();
        assert_eq!(distinct.len(), 1999);
        assert!(of_this_file.len() <= 1999 + 2 * 10 * 3, "{}", of_this_file.len());
    }
}

#[tokio::test]
async fn rejects_of_a_batch_that_comes_again_are_not_doubled() {
    let gateway = TestGateway::start().await;
    let file = gateway.file("shop.csv", format!("{}bad\n{}", shop(40), "also bad\n".repeat(30)));
    let options = ImportOptions { batch_events: 10, ..options(&file, &[]) };
    import_and_kill(&gateway, &options, 30).await;
    // As if the kill had come between the rejects and the place.
    let mut rejects =
        std::fs::OpenOptions::new().create(true).append(true).open(options.rejects_file()).unwrap();
    rejects.write_all(b"{\"line\":42}\n{\"li").unwrap();
    let report = run(&options, &gateway.target()).await.unwrap();
    assert_eq!((report.lines, report.accepted, report.rejected), (71, 40, 31), "{report}");
    let lines: Vec<u64> =
        rejects_of(&options.rejects_file()).iter().map(|reject| reject["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, (42..73).collect::<Vec<u64>>());
}

#[tokio::test]
async fn restart_other_options_and_other_content_begin_anew() {
    let gateway = TestGateway::start().await;
    let file = gateway.file("shop.csv", shop(200));
    let kept = ImportOptions { batch_events: 10, ..options(&file, &[]) };
    let restarted = ImportOptions { resume: false, ..kept.clone() };
    let remapped = ImportOptions { map: vec!["amount=-".parse().unwrap()], ..kept.clone() };
    for options in [restarted, remapped] {
        import_and_kill(&gateway, &kept, gateway.end_offset().await + 50).await;
        let report = run(&options, &gateway.target()).await.unwrap();
        assert_eq!((report.lines, report.accepted, report.skipped_before_resume), (200, 200, 0));
    }
    import_and_kill(&gateway, &kept, gateway.end_offset().await + 50).await;
    gateway.file("shop.csv", shop(201));
    let report = run(&kept, &gateway.target()).await.unwrap();
    assert_eq!((report.lines, report.accepted, report.skipped_before_resume), (201, 201, 0));
}

#[tokio::test]
async fn a_dry_run_sends_and_writes_nothing() {
    let gateway = TestGateway::start().await;
    let file = gateway.file("shop.csv", shop(5) + "soon,u,buy,\n");
    let options = ImportOptions { dry_run: true, ..options(&file, &[]) };
    let nobody = Target { url: "http://127.0.0.1:1".into(), key: String::new() };
    let report = run(&options, &nobody).await.unwrap();
    assert_eq!((report.lines, report.rejected, report.accepted), (6, 1, 0));
    let text = report.to_string();
    for part in [
        "amount   → properties.amount  number 5",
        "time     → time               time without offset 5",
        r#""event":"buy","properties":{"amount":0}"#,
        "5 of 6 lines can be sent.",
        "\n  time_invalid 1, first in line 7",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(report.preview.unwrap().events.len(), 3);
    assert_eq!(gateway.end_offset().await, 0);
    assert_eq!(files_in(gateway.folder.path()), HashSet::from(["shop.csv".to_owned()]));
}

#[tokio::test]
async fn a_refused_key_stops_the_import_and_says_why() {
    let gateway = TestGateway::start().await;
    let file = gateway.file("shop.csv", shop(5));
    let read_key = gateway.make_key(KeyKind::Read, false).await;
    for (key, part) in [("spw_nonsense", "401 key_unknown"), (&read_key, "reported with a write key (403")] {
        let target = Target { key: key.to_owned(), ..gateway.target() };
        let error = format!("{:#}", run(&options(&file, &[]), &target).await.unwrap_err());
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(files_in(gateway.folder.path()), HashSet::from(["shop.csv".to_owned()]));

    let young_key = gateway.make_key(KeyKind::Write, false).await;
    let target = Target { key: young_key, ..gateway.target() };
    let report = run(&options(&file, &[]), &target).await.unwrap();
    assert_eq!((report.accepted, report.rejected), (0, 5));
    assert!(report.to_string().contains("time_too_old 5") && report.to_string().contains("--may-report-old"));
}

#[tokio::test]
async fn columns_that_make_no_events_are_refused_before_anything_is_sent() {
    let gateway = TestGateway::start().await;
    let check = async |name: &str, content: &str, map: &[(&str, &str)], part: &str| {
        let file = gateway.file(name, content);
        let error = format!("{:#}", run(&options(&file, map), &gateway.target()).await.unwrap_err());
        assert!(error.contains(part), "{part}: {error}");
    };
    check("a.csv", "time,user_id,what\n", &[], "--map COLUMN=event").await;
    check("a.csv", "time,user_id,what\n", &[], "the columns are time, user_id, what").await;
    check("a.csv", "time,event,who\n", &[], "=user_id or =device_id").await;
    check("a.csv", "user_id,event\n", &[], "--map COLUMN=time").await;
    check("a.csv", "time,user_id,event\n", &[("usr_id", "user_id")], "did you mean 'user_id'?").await;
    check("a.csv", "time,time,event\n", &[], "'time' twice").await;
    check("a.csv", "time,user_id,event,a,b\n", &[("a", "properties.b")], "both become the property 'b'")
        .await;
    check("a.csv", "", &[], "is empty").await;
    check("a.ndjson", "\n", &[], "is empty").await;
    check("a.ndjson", "[\n{}\n]", &[], "jq -c").await;
    check("a.ndjson", "{\"event\":\"e\",\"time\":1}", &[], "the columns are event, time").await;
    check("a.ndjson", "{\"event\":1,\"user\":{\"id\":1}}", &[("user.ID", "user_id")], "no column 'user.ID'")
        .await;
    check("a.txt", "x", &[], "--format csv").await;
    assert_eq!(gateway.end_offset().await, 0);
    let missing = gateway.folder.path().join("none.csv");
    let error = run(&options(&missing, &[]), &gateway.target()).await.unwrap_err().to_string();
    assert!(error.contains("none.csv"), "{error}");
}

#[tokio::test]
async fn a_server_that_comes_back_in_time_is_waited_for() {
    let mut gateway = TestGateway::start().await;
    let file = gateway.file("shop.csv", shop(20));
    gateway.hang_up().await;
    let (options, target) = (options(&file, &[]), gateway.target());
    let waiting = tokio::spawn(async move { run(&options, &target).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    gateway.listen().await;
    assert_eq!(waiting.await.unwrap().unwrap().accepted, 20);
}

#[tokio::test]
async fn a_server_that_stays_away_ends_the_import_where_it_can_go_on() {
    let mut gateway = TestGateway::start().await;
    let file = gateway.file("shop.csv", shop(100));
    let options = ImportOptions { batch_events: 10, ..options(&file, &[]) };
    import_and_kill(&gateway, &options, 30).await;
    gateway.hang_up().await;
    let pause = Duration::from_millis(5);
    let patience =
        Patience { total: Duration::from_millis(50), pauses: Pauses { first: pause, longest: pause } };
    let error = format!("{:#}", import(&options, &gateway.target(), patience).await.unwrap_err());
    assert!(
        error.contains("no server answers") && error.contains("the same command goes on at line"),
        "{error}"
    );
    gateway.listen().await;
    let report = run(&options, &gateway.target()).await.unwrap();
    assert_eq!((report.lines, report.accepted), (100, 100));
    assert!(report.skipped_before_resume >= 10, "{report}");
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let limits = GatewayLimits {
        inflight_bytes_max: 6 << 20,
        body_bytes_max: 6 << 20,
        unpacked_bytes_max: 1 << 20,
        ..GatewayLimits::default()
    };
    let gateway = TestGateway::with_limits(limits).await;
    // Enough to be sent as gzip, which may unpack to a thousand times its size.
    let file = gateway.file("shop.csv", shop(100));
    // Holds all but a KiB; the gateway asks for its body only then.
    let mut hog = TcpStream::connect(&gateway.address).await.unwrap();
    let request = format!(
        "POST /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: 6290432\r\nExpect: 100-continue\r\n\r\n",
        gateway.key
    );
    hog.write_all(request.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    hog.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");

    let pause = Duration::from_millis(5);
    let hasty =
        Patience { total: Duration::from_millis(50), pauses: Pauses { first: pause, longest: pause } };
    let error = format!("{:#}", import(&options(&file, &[]), &gateway.target(), hasty).await.unwrap_err());
    assert!(error.contains("too many reports at once") && error.contains("gave up"), "{error}");

    let (options, target) = (options(&file, &[]), gateway.target());
    let waiting = tokio::spawn(async move { run(&options, &target).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop(hog);
    assert_eq!(waiting.await.unwrap().unwrap().accepted, 100);
}

#[tokio::test]
async fn requests_too_large_for_the_server_are_halved() {
    let limits =
        GatewayLimits { events_per_request_max: 7, body_bytes_max: 4000, ..GatewayLimits::default() };
    let gateway = TestGateway::with_limits(limits).await;
    // Hexadecimal digits of hashes, which gzip can't make smaller than half.
    let noise: String =
        (0..300).map(|n: u64| super::draft::ContentHash::of(&n.to_be_bytes()).hex()).collect();
    let file =
        gateway.file("shop.csv", format!("{}2026-03-01,u,large,{noise}\n2026-03-01,u,last,1\n", shop(50)));
    let report = run(&options(&file, &[]), &gateway.target()).await.unwrap();
    assert_eq!((report.lines, report.accepted, report.rejected), (52, 51, 1), "{report}");
    let rejects = rejects_of(&report.rejects_file.clone().unwrap());
    assert_eq!(
        (rejects[0]["line"].as_u64(), rejects[0]["code"].as_str()),
        (Some(52), Some("body_too_large"))
    );
    let amounts: Vec<Value> = gateway.events().await.iter().map(|e| e["props"]["amount"].clone()).collect();
    assert_eq!(amounts[..50], (0..50).map(Value::from).collect::<Vec<_>>());
}

#[tokio::test]
async fn damaged_gzip_is_refused_before_anything_is_sent() {
    let gateway = TestGateway::start().await;
    let packed = gzipped(&shop(1000));
    let file = gateway.file("shop.csv.gz", &packed[..packed.len() / 2]);
    let error = format!("{:#}", run(&options(&file, &[]), &gateway.target()).await.unwrap_err());
    assert!(error.contains("can't read") && error.contains("beyond"), "{error}");
    assert_eq!(gateway.end_offset().await, 0);
}

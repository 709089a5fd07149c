use reqwest::Method;
use serde_json::json;
use suanpan_journey::Server;

use super::is_long;
use super::run::places;

/// Requests that are made up for each operation, beside those that cover its description.
const EXAMPLES_MAX: (&str, &str) = ("5", "100");
/// SensorsData's endpoints end the connection where nothing can be kept, and the live view never
/// ends: no description can say either.
const LEFT_OUT: &str = r"^/(sa|sa\.gif|debug)$|/live$";
/// No 5xx, and no status, type, header or field but the described ones.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_schema_conformance,response_headers_conformance";
/// The app that all operations are about, but for the one that ends it.
const SETTINGS: &str = r#"
[parameters]
"path.app" = "shop"

[[operations]]
include-name = "DELETE /api/apps/{app}"
parameters = { "path.app" = "gone" }
"#;

/// The server does what its OpenAPI description says.
pub async fn nothing_undocumented_is_answered() {
    let server = Server::start().await;
    let calls = server.calls();
    for app in ["shop", "gone"] {
        let app = json!({ "id": app, "title": app, "time_zone": "UTC" });
        calls.admin(Method::POST, "/api/apps", Some(&app)).await.expect(201);
    }
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::write(folder.path().join("schemathesis.toml"), SETTINGS).expect("a file can be written");
    let mut python = places().await.python();
    python
        .args(["-m", "schemathesis.cli", "run"])
        .arg(format!("{}/api/openapi.json", calls.url()))
        .args(["--phases", "coverage,fuzzing", "--continue-on-failure", "--checks", CHECKS])
        .args(["--exclude-path-regex", LEFT_OUT, "--no-color", "--header"])
        .arg(format!("Authorization: Bearer {}", calls.admin_token()))
        .args(["--max-examples", if is_long() { EXAMPLES_MAX.1 } else { EXAMPLES_MAX.0 }])
        .current_dir(folder.path())
        .env("HOME", folder.path());
    if !is_long() {
        // The same each time; the long run prints its seed.
        python.args(["--seed", "1"]);
    }
    let output = python.output().await.expect("there is Python");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

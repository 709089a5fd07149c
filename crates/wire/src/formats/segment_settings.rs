//! The settings that the clients for browsers ask for before they send anything.

use serde::Serialize;

use crate::{Head, Reply};

/// `GET /v1/projects/{key}/settings`: says that events go to where the settings came from, so that
/// a page needs to set `cdnURL` alone. Without the entry `Segment.io` the client sends nothing, and
/// says nothing.
pub fn segment_settings(head: &Head<'_>, _body: &[u8]) -> Reply {
    #[derive(Serialize)]
    struct Settings<'r> {
        integrations: Integrations<'r>,
    }
    #[derive(Serialize)]
    struct Integrations<'r> {
        #[serde(rename = "Segment.io")]
        own: Destination<'r>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Destination<'r> {
        /// The client reports under this key, not under the one it was loaded with.
        api_key: &'r str,
        #[serde(skip_serializing_if = "Option::is_none")]
        api_host: Option<String>,
        protocol: &'r str,
    }
    let own = Destination {
        api_key: key_behind(head.path, "projects"),
        api_host: head.header(http::header::HOST).map(|host| format!("{host}/v1")),
        protocol: protocol(head),
    };
    Reply::json(200, &Settings { integrations: Integrations { own } })
}

/// `GET /sourceConfig/`: the same for RudderStack's client, whose `configUrl` is to be set. Nothing
/// is reported to anybody but us, errors and figures of the client neither.
pub fn rudder_source_config(head: &Head<'_>, _body: &[u8]) -> Reply {
    let key = head.query_value("writeKey").unwrap_or_default();
    let off = serde_json::json!({ "enabled": false });
    let source = serde_json::json!({
        "id": key,
        "name": "Suanpan",
        "writeKey": key,
        "enabled": true,
        "config": { "statsCollection": { "errors": off, "metrics": off } },
        "destinations": [],
    });
    Reply::json(200, &serde_json::json!({ "source": source }))
}

/// The part of a path that follows this one.
pub(crate) fn key_behind<'p>(path: &'p str, part: &str) -> &'p str {
    path.split('/').skip_while(|own| *own != part).nth(1).unwrap_or("")
}

/// How the client reached us: what the proxy says; else what its page is, since a page on https can
/// ask nobody else. The client alone believes the answer, so a header that lies harms nobody.
fn protocol(head: &Head<'_>) -> &'static str {
    let named = head.header("x-forwarded-proto").or_else(|| head.header(http::header::ORIGIN));
    let named = named.or_else(|| head.header(http::header::REFERER)).unwrap_or("");
    if named.trim_start().get(..5).is_some_and(|start| start.eq_ignore_ascii_case("https")) {
        "https"
    } else {
        "http"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::testing::{Request, told};

    #[test]
    fn a_page_is_told_to_report_to_where_it_asked() {
        let check = |headers: &[(&'static str, &str)], expected: &str| {
            let request = Request::get("/v1/projects/KEY-1/settings");
            let request = headers.iter().fold(request, |request, (name, value)| request.with(name, value));
            let expected = format!(r#"{{"integrations":{{"Segment.io":{{"apiKey":"KEY-1",{expected}}}}}}}"#);
            assert_eq!(told(&segment_settings(&request.head(), b"")), (200, expected));
        };
        check(&[("host", "127.0.0.1:7777")], r#""apiHost":"127.0.0.1:7777/v1","protocol":"http""#);
        check(
            &[("host", "a.cn"), ("origin", "https://shop.cn")],
            r#""apiHost":"a.cn/v1","protocol":"https""#,
        );
        check(
            &[("host", "a.cn"), ("referer", "https://shop.cn/a"), ("x-forwarded-proto", "http")],
            r#""apiHost":"a.cn/v1","protocol":"http""#,
        );
        check(
            &[("host", "a\"b"), ("x-forwarded-proto", "HTTPS")],
            r#""apiHost":"a\"b/v1","protocol":"https""#,
        );
        check(&[], r#""protocol":"http""#);
    }

    #[test]
    fn a_source_has_no_destination_but_us() {
        let request = Request::get("/sourceConfig/?p=npm&v=3.34.1&build=modern&writeKey=swk_1");
        let (status, body) = told(&rudder_source_config(&request.head(), b""));
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        let source = &body["source"];
        assert_eq!((status, &source["id"], &source["enabled"]), (200, &"swk_1".into(), &true.into()));
        assert!(source["destinations"].as_array().unwrap().is_empty());
        assert_eq!(source["config"]["statsCollection"]["errors"]["enabled"], false);
    }
}

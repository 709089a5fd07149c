//! What PostHog's clients ask for beside reporting: their configuration, and feature flags. There
//! is nothing to configure from here and there are no flags, but the clients want to hear it.

use serde_json::{Value, json};

use super::segment_settings::key_behind;
use crate::{Head, Reply};

/// `GET /array/{key}/config`.
pub fn posthog_config(head: &Head<'_>, _body: &[u8]) -> Reply {
    Reply::json(200, &config(key_behind(head.path, "array")))
}

/// `GET /array/{key}/config.js`: the same as a script, which the client loads first.
pub fn posthog_config_script(head: &Head<'_>, _body: &[u8]) -> Reply {
    let key = key_behind(head.path, "array");
    // JSON is JavaScript, so that whatever stands in the path stays a text.
    let (key, config) = (json!(key), config(key));
    let script = format!(
        "(function(){{var all=window._POSTHOG_REMOTE_CONFIG=window._POSTHOG_REMOTE_CONFIG||{{}};\
         all[{key}]={{config:{config},siteApps:[]}};}})();"
    );
    Reply::Http { status: 200, media_type: "application/javascript; charset=utf-8", body: script.into() }
}

/// `POST /flags/`: no flags.
pub fn posthog_flags(_head: &Head<'_>, _body: &[u8]) -> Reply {
    Reply::json(200, &no_flags())
}

/// `POST /decide/`: what older clients ask for, configuration and flags in one.
pub fn posthog_decide(_head: &Head<'_>, _body: &[u8]) -> Reply {
    let mut all = config("");
    if let (Value::Object(all), Value::Object(flags)) = (&mut all, no_flags()) {
        all.extend(flags);
        all.insert("config".to_owned(), json!({ "enable_collect_everything": true }));
    }
    Reply::json(200, &all)
}

fn no_flags() -> Value {
    json!({
        "flags": {},
        "featureFlags": {},
        "featureFlagPayloads": {},
        "errorsWhileComputingFlags": false,
    })
}

/// With `gzip-js` the client packs what it sends. The parts of the client that need a server of
/// their own are off.
fn config(key: &str) -> Value {
    json!({
        "token": key,
        "supportedCompression": ["gzip", "gzip-js"],
        "hasFeatureFlags": false,
        "autocapture_opt_out": false,
        "elementsChainAsString": true,
        "captureDeadClicks": false,
        "capturePerformance": false,
        "autocaptureExceptions": false,
        "sessionRecording": false,
        "heatmaps": false,
        "surveys": false,
        "productTours": false,
        "conversations": false,
        "siteApps": [],
        "toolbarParams": {},
        "isAuthenticated": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::testing::{Request, told};

    #[test]
    fn the_script_says_what_the_document_says() {
        let document = told(&posthog_config(&Request::get("/array/KEY/config").head(), b"")).1;
        let config: Value = serde_json::from_str(&document).unwrap();
        assert_eq!(config["token"], "KEY");
        assert_eq!(config["hasFeatureFlags"], false);
        assert_eq!(config["supportedCompression"], json!(["gzip", "gzip-js"]));
        let request = Request::get("/array/KEY/config.js");
        let Reply::Http { media_type, body, .. } = posthog_config_script(&request.head(), b"") else {
            panic!("a document is always an answer");
        };
        assert!(media_type.starts_with("application/javascript"));
        let script = String::from_utf8(body).unwrap();
        assert!(script.contains(&format!(r#"all["KEY"]={{config:{config},siteApps:[]}};"#)), "{script}");
    }

    #[test]
    fn a_key_stays_a_text_in_the_script() {
        let request = Request::get("/array/\"];alert(1);[\"/config.js");
        let (_, script) = told(&posthog_config_script(&request.head(), b""));
        assert!(script.contains(r#"all["\"];alert(1);[\""]"#), "{script}");
    }

    #[test]
    fn there_are_no_flags() {
        let request = Request::post("/flags/?v=2", "anything");
        let (status, flags) = told(&posthog_flags(&request.head(), b"anything"));
        let flags: Value = serde_json::from_str(&flags).unwrap();
        assert_eq!(
            (status, &flags["flags"], &flags["errorsWhileComputingFlags"]),
            (200, &json!({}), &json!(false))
        );
        let (_, all) = told(&posthog_decide(&request.head(), b""));
        let all: Value = serde_json::from_str(&all).unwrap();
        assert_eq!(all["featureFlags"], json!({}));
        assert_eq!(all["supportedCompression"], json!(["gzip", "gzip-js"]));
    }
}

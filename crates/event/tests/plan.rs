//! A tracking plan through its public interface: what it finds, converts, masks.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a test's result")]

use std::borrow::Cow;

use proptest::prelude::*;
use suanpan_event::{
    Attribute, EventLimits, MaskKey, PlanMode, PlannedEvent, RejectionCode, TrackingPlan, Warning,
    WarningCode, properties,
};

const EVENTS: &str = r#"[
    {"name": "order_paid", "attributes": [
        {"name": "amount", "required": true}, {"name": "channel"}, {"name": "tags"}, {"name": "paid_at"},
        {"name": "gift"}, {"name": "coupon"}, {"name": "phone"}, {"name": "id_card"}, {"name": "old", "required": true}]},
    {"name": "order_faxed", "status": "retired"},
    {"name": "wished", "status": "draft"}
]"#;

const ATTRIBUTES: &str = r#"[
    {"name": "amount", "type": "number", "min": 0, "max": 10000},
    {"name": "channel", "type": "string", "allowed": ["app", "web", "shop"]},
    {"name": "tags", "type": "list", "allowed": ["new", "vip"]},
    {"name": "paid_at", "type": "datetime", "min": "2024-01-01T00:00:00Z"},
    {"name": "gift", "type": "boolean"},
    {"name": "coupon", "type": "string", "pattern": "^[A-Z]{4}$", "status": "draft"},
    {"name": "phone", "type": "string", "personal": "mask", "pattern": "^1[0-9]{10}$"},
    {"name": "friends", "type": "list", "personal": "mask", "common": true},
    {"name": "id_card", "type": "string", "personal": "drop"},
    {"name": "old", "type": "string", "status": "retired"},
    {"name": "app_theme", "type": "string", "common": true},
    {"name": "$os", "type": "string"}
]"#;

fn plan(mode: PlanMode) -> TrackingPlan {
    plan_of(mode, EVENTS, ATTRIBUTES, 7)
}

fn plan_of(mode: PlanMode, events: &str, attributes: &str, key: u8) -> TrackingPlan {
    let events: Vec<PlannedEvent> = serde_json::from_str(events).unwrap();
    let attributes: Vec<Attribute> = serde_json::from_str(attributes).unwrap();
    for attribute in &attributes {
        attribute.terms.check(attribute.kind).unwrap();
    }
    TrackingPlan::new(mode, events, &attributes, MaskKey::new([key; 32]))
}

/// What an event's properties become, and the codes and fields of the warnings.
fn warned(event: &str, properties: &str) -> (String, Vec<String>) {
    let mut warnings = Vec::new();
    let stored = plan(PlanMode::Warn).apply(event, properties.into(), &mut warnings).unwrap();
    let codes = warnings.iter().map(|w| format!("{} {}", w.code, w.field)).collect();
    (stored.into_owned(), codes)
}

#[track_caller]
fn check(event: &str, properties: &str, expected: &str, codes: &[&str]) {
    let (stored, found) = warned(event, properties);
    assert_eq!(
        (stored.as_str(), &found[..]),
        (expected, &codes.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>()[..])
    );

    // Enforced, the first of these is the rejection; a conversion is none.
    let first = codes.iter().find(|code| !code.starts_with("type_converted"));
    let enforced = plan(PlanMode::Enforce).apply(event, properties.into(), &mut Vec::new());
    let found = enforced.as_ref().map(AsRef::as_ref).map_err(|r| format!("{} {}", r.code, r.field));
    assert_eq!(found, first.map_or(Ok(expected), |code| Err((*code).to_owned())));
}

#[track_caller]
fn as_is(event: &str, properties: &str, codes: &[&str]) {
    check(event, properties, properties, codes);
}

#[test]
fn an_event_that_fits_passes_untouched() {
    let fitting = r#"{"amount":12.50, "channel":"app", "tags":["new","vip"], "paid_at":"2024-03-01T00:00:00+08:00", "gift":true, "coupon":"ABCD", "app_theme":"dark", "$os":"iOS", "$anything":[1]}"#;
    as_is("order_paid", fitting, &[]);
    let mut warnings = Vec::new();
    for mode in PlanMode::ALL {
        let stored = plan(mode).apply("order_paid", fitting.into(), &mut warnings).unwrap();
        assert!(matches!(stored, Cow::Borrowed(text) if std::ptr::eq(text, fitting)), "nothing is copied");
    }
}

#[test]
fn each_fault_has_its_code() {
    as_is("order_payed", r#"{"amount":1}"#, &["unplanned_event event"]);
    as_is("order_faxed", "{}", &["retired event"]);
    as_is("wished", "{}", &[]);
    as_is("wished", r#"{"amount":1}"#, &["unplanned_attribute properties.amount"]);
    as_is("order_paid", r#"{"amount":1,"colour":"red"}"#, &["unplanned_attribute properties.colour"]);
    as_is("order_paid", "{}", &["attribute_missing properties.amount"]);
    as_is("order_paid", r#"{"amount":null}"#, &["attribute_missing properties.amount"]);
    as_is("order_paid", r#"{"amount":""}"#, &["attribute_missing properties.amount"]);
    as_is("order_paid", r#"{"amount":"much"}"#, &["wrong_type properties.amount"]);
    as_is("order_paid", r#"{"amount":-0.01}"#, &["out_of_range properties.amount"]);
    as_is("order_paid", r#"{"amount":10000.5}"#, &["out_of_range properties.amount"]);
    as_is(
        "order_paid",
        r#"{"amount":1,"paid_at":"2023-12-31T23:59:59Z"}"#,
        &["out_of_range properties.paid_at"],
    );
    as_is("order_paid", r#"{"amount":1,"channel":"fax"}"#, &["not_listed properties.channel"]);
    as_is("order_paid", r#"{"amount":1,"tags":["new","old"]}"#, &["not_listed properties.tags"]);
    as_is("order_paid", r#"{"amount":1,"coupon":"ABC"}"#, &["pattern_mismatch properties.coupon"]);
    as_is("order_paid", r#"{"amount":1,"old":"x"}"#, &["retired properties.old"]);
    as_is("$pageview", r#"{"colour":"red","channel":"web"}"#, &[]);
    as_is("$pageview", r#"{"channel":"fax"}"#, &["not_listed properties.channel"]);
    as_is(
        "order_paid",
        r#"{"channel":"fax","colour":1}"#,
        &[
            "not_listed properties.channel",
            "unplanned_attribute properties.colour",
            "attribute_missing properties.amount",
        ],
    );
}

#[test]
fn harmless_differences_are_converted_and_told() {
    check(
        "order_paid",
        r#"{ "amount": "12.50", "gift": "true", "tags": "vip", "app_theme": 7 }"#,
        r#"{"amount":12.50,"gift":true,"tags":["vip"],"app_theme":"7"}"#,
        &[
            "type_converted properties.amount",
            "type_converted properties.gift",
            "type_converted properties.tags",
            "type_converted properties.app_theme",
        ],
    );
    check(
        "order_paid",
        r#"{"amount":"20000"}"#,
        r#"{"amount":20000}"#,
        &["type_converted properties.amount", "out_of_range properties.amount"],
    );
}

#[test]
fn findings_say_what_was_expected_and_found() {
    let mut warnings = Vec::new();
    let plan = plan(PlanMode::Warn);
    plan.apply("order_paid", r#"{"amount":"much","channel":"fax"}"#.into(), &mut warnings).unwrap();
    let found: Vec<(&str, &str)> = warnings.iter().map(|w| (w.expected.as_ref(), w.got.as_str())).collect();
    assert_eq!(found, [("number", "\"much\""), ("one of app, web, shop", "\"fax\"")]);
    warnings.clear();
    plan.apply("order_paid", r#"{"amount":99999}"#.into(), &mut warnings).unwrap();
    assert_eq!((warnings[0].expected.as_ref(), warnings[0].got.as_str()), ("0 to 10000", "99999"));
}

#[test]
fn an_observing_plan_only_protects_personal_values() {
    let plan = plan(PlanMode::Observe);
    let mut warnings = Vec::new();
    let wrong = r#"{"amount":"12","channel":"fax"}"#;
    assert_eq!(plan.apply("anything", wrong.into(), &mut warnings).unwrap(), wrong);
    let personal = r#"{"amount":"12","phone":"13800138000","id_card":"x","friends":["a","b"]}"#;
    let stored = plan.apply("anything", personal.into(), &mut warnings).unwrap();
    assert!(!stored.contains("138") && !stored.contains("id_card") && !stored.contains("\"a\""), "{stored}");
    assert!(stored.starts_with(r#"{"amount":"12","phone":"masked:"#), "{stored}");
    assert!(warnings.is_empty());
    assert!(!plan.is_silent());
    assert!(TrackingPlan::default().is_silent());
    assert!(plan_of(PlanMode::Observe, EVENTS, r#"[{"name":"a","type":"number","min":1}]"#, 1).is_silent());
}

fn masked(plan: &TrackingPlan, properties: &str) -> String {
    let stored = plan.apply("order_paid", properties.into(), &mut Vec::new()).unwrap();
    let stored: serde_json::Value = serde_json::from_str(&stored).unwrap();
    stored["phone"].as_str().unwrap().to_owned()
}

#[test]
fn a_pseudonym_stands_for_one_value_of_one_app() {
    let observing = plan(PlanMode::Observe);
    let one = masked(&observing, r#"{"phone":"13800138000"}"#);
    assert_eq!((one.len(), &one[..7]), (23, "masked:"));
    assert_eq!(masked(&observing, r#"{"x":1,"phone": 13800138000}"#), one, "as a number, too");
    assert_eq!(masked(&plan(PlanMode::Warn), r#"{"amount":1,"phone":"13800138000"}"#), one, "in every mode");
    assert_ne!(masked(&observing, r#"{"phone":"13800138001"}"#), one);
    assert_ne!(masked(&plan_of(PlanMode::Observe, EVENTS, ATTRIBUTES, 8), r#"{"phone":"13800138000"}"#), one);
    assert_eq!(masked(&observing, &format!(r#"{{"phone":"{one}"}}"#)), one, "it stays when it comes again");
    let nested = masked(&observing, r#"{"phone":{"home":"13800138000"}}"#);
    assert!(nested.starts_with("masked:"), "whatever the value is");
    let person = observing.apply(
        "$set",
        r#"{"$set":{"phone":"13800138000","id_card":"x","vip":1}}"#.into(),
        &mut Vec::new(),
    );
    assert_eq!(person.unwrap(), format!(r#"{{"$set":{{"phone":"{one}","vip":1}}}}"#));
}

#[test]
fn a_personal_value_stands_in_no_message() {
    for mode in [PlanMode::Warn, PlanMode::Enforce] {
        for properties in [
            r#"{"amount":1,"phone":"secret"}"#,
            r#"{"amount":1,"phone":["secret"]}"#,
            r#"{"amount":1,"id_card":{"secret":"secret"}}"#,
        ] {
            let mut warnings = Vec::new();
            let judged = plan(mode).apply("order_paid", properties.into(), &mut warnings);
            let told = format!("{judged:?} {warnings:?}");
            assert!(!told.contains("secret"), "{told}");
            assert!(judged.is_err() || !warnings.is_empty(), "{properties}");
        }
    }
    assert!(!format!("{:?}", plan(PlanMode::Warn)).contains("7, 7"), "nor does the key");
}

#[test]
fn what_is_kept_of_a_refused_event_is_masked_at_any_depth() {
    let plan = plan(PlanMode::Enforce);
    let one = masked(&plan, r#"{"amount":1,"phone":"13800138000"}"#);
    let check = |json: &str, expected: Option<&str>| {
        assert_eq!(plan.mask_all(json).as_deref(), expected, "{json}");
    };
    check(
        r#"{ "event" : "x", "properties" : { "phone" : "13800138000" , "n": [ {"id_card":{"a":["}"]} }, "phone" ] } }"#,
        Some(&format!(
            r#"{{ "event" : "x", "properties" : {{ "phone" : "{one}" , "n": [ {{"id_card":"masked:dropped" }}, "phone" ] }} }}"#
        )),
    );
    check(r#"{"ph\u006fne":13800138000}"#, Some(&format!(r#"{{"ph\u006fne":"{one}"}}"#)));
    check(
        r#"{"phone":null,"phone":"","friends":[],"a\"phone":"x","phone2":"phone"}"#,
        Some(r#"{"phone":null,"phone":"","friends":[],"a\"phone":"x","phone2":"phone"}"#),
    );
    check(
        r#"[{"phone":true},{"phone":"13800138000"}]"#,
        Some(&plan.mask_all(&format!(r#"[{{"phone":"true"}},{{"phone":"{one}"}}]"#)).unwrap()),
    );
    check(r#""phone""#, Some(r#""phone""#));
    check(r#"{"phone":"13800138000""#, None);
    check("phone=13800138000", None);
    assert_eq!(TrackingPlan::default().mask_all("no json"), Some(Cow::Borrowed("no json")));

    // Replayed, it is judged and stored like the event itself.
    let properties = r#"{"amount":1,"phone":"13800138000","id_card":"x","friends":["a","b"]}"#;
    let kept = plan.mask_all(properties).unwrap();
    let apply = |text: Cow<'static, str>| plan.apply("order_paid", text, &mut Vec::new()).unwrap();
    assert_eq!(apply(kept.into_owned().into()), apply(properties.into()));
}

#[test]
fn a_tried_event_is_told_everything_in_every_mode() {
    let properties = r#"{"amount":"12","phone":"13800138000","colour":1}"#;
    let expected = [WarningCode::TypeConverted, WarningCode::PersonalData, WarningCode::UnplannedAttribute];
    for mode in PlanMode::ALL {
        let tried = plan(mode).check("order_paid", properties);
        let codes: Vec<WarningCode> = tried.findings.iter().map(|f| f.code).collect();
        assert_eq!(codes, expected);
        let rejected = tried.rejection.map(|r| r.code);
        assert_eq!(rejected, (mode == PlanMode::Enforce).then_some(RejectionCode::UnplannedAttribute));
        assert_eq!(tried.properties.is_none(), mode == PlanMode::Enforce);
        let converts = tried.properties.is_some_and(|p| p.starts_with(r#"{"amount":12,"#));
        assert_eq!(converts, mode == PlanMode::Warn);
    }
}

/// The plan that the guide's examples are of.
const GUIDE_EVENTS: &str = r#"[
    {"name": "order_paid", "attributes": [{"name": "amount", "required": true}, {"name": "channel"},
        {"name": "coupon"}, {"name": "phone"}, {"name": "fax"}]},
    {"name": "order_faxed", "status": "retired"}
]"#;
const GUIDE_ATTRIBUTES: &str = r#"[
    {"name": "amount", "type": "number", "min": 0, "max": 10000},
    {"name": "channel", "type": "string", "allowed": ["app", "web"]},
    {"name": "coupon", "type": "string", "pattern": "^[A-Z]{4}$"},
    {"name": "phone", "type": "string", "personal": "mask"},
    {"name": "fax", "type": "string", "status": "retired"}
]"#;

#[test]
fn the_guides_examples_have_the_codes_it_says() {
    let plan = plan_of(PlanMode::Warn, GUIDE_EVENTS, GUIDE_ATTRIBUTES, 1);
    let guide = include_str!("../../../docs/tracking-plan.md");
    let table = guide.split("| code | field | example |").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut told = std::collections::BTreeSet::new();
    for row in table.lines().filter(|row| row.starts_with("| `")) {
        let quoted: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        let (code, field, examples) = (quoted[0], quoted[1], &quoted[2..]);
        assert!(!examples.is_empty(), "{row}");
        for example in examples {
            let is_properties = example.starts_with('{');
            let (event, properties) = if is_properties { ("order_paid", *example) } else { (*example, "{}") };
            let found = plan.check(event, properties).findings;
            let found: Vec<(&str, &str)> = found.iter().map(|f| (f.code.name(), f.field.as_str())).collect();
            assert!(found.contains(&(code, field)), "{row}: {found:?}");
        }
        told.insert(code);
    }
    assert_eq!(told.len(), 10, "every code of a plan has an example: {told:?}");
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,6}".prop_map(Into::into),
        prop::sample::select(vec![
            "12",
            "true",
            "vip",
            "app",
            "ABCD",
            "masked:dropped",
            "2024-03-01T00:00:00Z"
        ])
        .prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let name = prop_oneof![names(), ".{0,3}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(name, inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

fn names() -> impl Strategy<Value = String> {
    let planned = [
        "amount", "channel", "tags", "paid_at", "gift", "coupon", "phone", "friends", "id_card", "old",
        "$os", "$set",
    ];
    prop::sample::select(planned.to_vec()).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_event_is_judged_and_what_is_stored_can_be_read(
        event in prop_oneof![Just("order_paid".to_owned()), Just("$pageview".to_owned()), ".{0,6}"],
        properties in prop::collection::btree_map(prop_oneof![names(), ".{1,4}"], json(), 0..6),
        mode in prop::sample::select(PlanMode::ALL.to_vec()),
    ) {
        let limits = EventLimits { depth_max: 100, ..EventLimits::default() };
        let text = serde_json::to_string(&properties).unwrap();
        let Ok(admitted) = properties::admit(&text, &limits, &mut Vec::new()) else { return Ok(()) };
        let plan = plan(mode);
        let mut warnings: Vec<Warning> = Vec::new();
        if let Ok(stored) = plan.apply(&event, admitted.clone(), &mut warnings) {
            let again = properties::admit(&stored, &limits, &mut Vec::new()).unwrap();
            prop_assert_eq!(again.as_ref(), stored.as_ref(), "nothing is left to mend");
            let mut more = Vec::new();
            let twice = plan.apply(&event, stored.clone(), &mut more);
            // What was dropped may have been required.
            if let Ok(twice) = twice {
                prop_assert_eq!(twice, stored, "nothing is left to change");
            }
            prop_assert!(!more.iter().any(|w| w.code == WarningCode::TypeConverted));
            let kept = plan.mask_all(&admitted).unwrap();
            let replayed = plan.apply(&event, kept, &mut Vec::new());
            if mode != PlanMode::Enforce {
                prop_assert!(replayed.is_ok());
            }
        }
        let tried = plan.check(&event, &admitted);
        prop_assert_eq!(tried.rejection.is_some(), tried.properties.is_none());
    }

    #[test]
    fn no_text_breaks_the_mask(text in r#"[{}\[\]",:\\u0-9a-fA-Fphone_.+ -]{0,64}"#) {
        let plan = plan(PlanMode::Warn);
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        let masked = plan.mask_all(&text);
        prop_assert_eq!(masked.is_some(), is_json);
        if let Some(masked) = masked {
            prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&masked).is_ok());
        }
        let _ = plan.apply("order_paid", text.into(), &mut Vec::new());
    }
}

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use suanpan_catalog::{
    Catalog, CatalogError, CatalogLimits, NameChanges, NewAttribute, PlanChanges, PlanDefinition,
};
use suanpan_event::{AppId, AssignedSlot, AttributeType, PlanMode, PlanStatus, PlannedEvent};

use crate::{Shelf, assert_full, assert_invalid, assert_not_found, create, until};

fn plan(json: &str) -> PlanDefinition {
    serde_json::from_str(json).unwrap()
}

const ORDERS: &str = r#"{
    "mode": "warn",
    "events": [
        {"name": "order_paid", "title": "Paid", "description": "After the money\nis there", "status": "live",
         "attributes": [{"name": "phone", "required": true}, {"name": "amount", "required": false}]},
        {"name": "order_wished", "status": "draft"}
    ],
    "attributes": [
        {"name": "amount", "type": "number", "title": "Amount", "min": 0, "max": 1.5e6},
        {"name": "channel", "type": "string", "allowed": ["app", "web|shop"], "common": true, "status": "retired"},
        {"name": "due", "type": "datetime", "min": "2024-01-01T00:00:00Z", "max": 4000000000000},
        {"name": "level", "type": "number", "allowed": [1, 2.5]},
        {"name": "phone", "type": "string", "pattern": "^1[0-9]{10}$", "personal": "mask", "many_values": true},
        {"name": "tags", "type": "list", "personal": "drop", "description": "说明"}
    ]
}"#;

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn present(catalog: &Catalog, app: &AppId) -> PlanDefinition {
    catalog.snapshot().app(app).unwrap().plan_definition()
}

#[tokio::test]
async fn a_whole_plan_reads_back_as_written_in_every_process() {
    let (shelf, shop) = Shelf::with_shop().await;
    let neighbour = shelf.neighbour().await;
    let changes = shelf.catalog.replace_plan(&shop, plan(ORDERS), false).await.unwrap();
    assert_eq!(changes.mode, Some(PlanMode::Warn));
    assert_eq!(changes.events.added, names(&["order_paid", "order_wished"]));
    assert_eq!(changes.attributes.added.len(), 6);
    assert_eq!(present(&shelf.catalog, &shop), plan(ORDERS));
    let fresh = shelf.neighbour().await;
    assert_eq!(present(&fresh, &shop), plan(ORDERS));
    until(&neighbour, |s| s.app(&shop).is_some_and(|app| app.plan_definition() == plan(ORDERS))).await;

    let view = fresh.snapshot().app(&shop).unwrap().clone();
    assert_eq!(view.attribute("phone").unwrap().slot.unwrap().slot.to_string(), "text_01");
    assert_eq!(view.attribute("tags").unwrap().slot, None, "a list has no column");
    let same = shelf.catalog.replace_plan(&shop, plan(ORDERS), false).await.unwrap();
    assert!(same.is_empty());
    assert_eq!(shelf.catalog.snapshot().version(), fresh.snapshot().version(), "nothing was published");
}

#[tokio::test]
async fn a_dry_run_says_what_would_change_and_changes_nothing() {
    let (shelf, shop) = Shelf::with_shop().await;
    shelf.catalog.replace_plan(&shop, plan(ORDERS), false).await.unwrap();
    let mut next = plan(ORDERS);
    next.mode = None;
    next.events.remove(1);
    next.events[0].attributes.swap(0, 1);
    next.events.push(PlannedEvent { name: "order_sent".into(), ..PlannedEvent::default() });
    next.attributes.retain(|a| a.name != "channel");
    next.attributes[0].title = "Sum".into();
    next.attributes.push(NewAttribute::new("colour", AttributeType::String));
    let expected = PlanChanges {
        mode: None,
        events: NameChanges {
            added: names(&["order_sent"]),
            changed: names(&["order_paid"]),
            removed: names(&["order_wished"]),
        },
        attributes: NameChanges {
            added: names(&["colour"]),
            changed: names(&["amount"]),
            removed: names(&["channel"]),
        },
    };
    assert_eq!(shelf.catalog.replace_plan(&shop, next.clone(), true).await.unwrap(), expected);
    assert_eq!(present(&shelf.catalog, &shop), plan(ORDERS));
    assert_eq!(present(&shelf.neighbour().await, &shop), plan(ORDERS));

    let before = shelf.catalog.snapshot().app(&shop).unwrap().clone();
    assert_eq!(shelf.catalog.replace_plan(&shop, next.clone(), false).await.unwrap(), expected);
    let after = shelf.catalog.snapshot().app(&shop).unwrap().clone();
    assert_eq!(after.attribute("amount").unwrap().slot, before.attribute("amount").unwrap().slot);
    assert_eq!(after.slots.version, before.slots.version + 1, "all new slots count from one version");
    let colour = after.attribute("colour").unwrap().slot;
    let freed = before.attribute("channel").unwrap().slot.unwrap().slot;
    assert_eq!(colour, Some(AssignedSlot { slot: freed, since: after.slots.version }));
    assert_eq!(after.plan.mode(), PlanMode::Warn, "no mode leaves it as it is");
}

#[tokio::test]
async fn a_plan_that_can_not_be_changes_nothing() {
    let limits = CatalogLimits {
        planned_events_per_app_max: 2,
        attributes_per_app_max: 6,
        attributes_per_event_max: 2,
        allowed_values_max: 2,
        ..CatalogLimits::default()
    };
    let shelf = Shelf::with(limits).await;
    let shop = create(&shelf.catalog, "shop").await.id;
    shelf.catalog.replace_plan(&shop, plan(ORDERS), false).await.unwrap();
    let refused = async |json: &str| {
        shelf.catalog.replace_plan(&shop, plan(json), false).await.map_err(|error| (error.to_string(), error))
    };
    let invalid = async |json: &str, field: &str, says: &str| match refused(json).await.unwrap_err() {
        (text, CatalogError::Invalid { field: found, .. }) => {
            assert_eq!(found, field, "{text}");
            assert!(text.contains(says), "{text}");
        }
        (text, _) => panic!("{text}"),
    };
    let full = async |json: &str, limit: &str| match refused(json).await.unwrap_err() {
        (_, CatalogError::LimitReached { limit: found, .. }) => assert_eq!(found, limit),
        (text, _) => panic!("{text}"),
    };
    invalid(
        r#"{"attributes":[{"name":"a","type":"number","pattern":"x"}]}"#,
        "attributes",
        "\"a\": pattern: ",
    )
    .await;
    invalid(
        r#"{"attributes":[{"name":"a","type":"number"},{"name":"a","type":"string"}]}"#,
        "attributes",
        "twice",
    )
    .await;
    invalid(r#"{"attributes":[{"name":"platform","type":"string"}]}"#, "attributes", "built-in").await;
    let colour = r#""attributes":[{"name":"colour","type":"string"}]"#;
    let uses =
        |name: &str| format!(r#"{{"events":[{{"name":"e","attributes":[{{"name":"{name}"}}]}}],{colour}}}"#);
    invalid(&uses("color"), "events", "did you mean \"colour\"?").await;
    invalid(&uses("platform"), "events", "built in").await;
    invalid(r#"{"events":[{"name":"e"},{"name":"e"}]}"#, "events", "twice").await;
    invalid(r#"{"events":[{"name":" "}]}"#, "events", "name").await;
    full(r#"{"events":[{"name":"a"},{"name":"b"},{"name":"c"}]}"#, "planned_events_per_app_max").await;
    full(
        r#"{"events":[{"name":"e","attributes":[{"name":"a"},{"name":"b"},{"name":"c"}]}]}"#,
        "attributes_per_event_max",
    )
    .await;
    full(r#"{"attributes":[{"name":"a","type":"number","allowed":[1,2,3]}]}"#, "allowed_values_max").await;
    let seven: Vec<String> = (0..7).map(|n| format!(r#"{{"name":"a{n}","type":"number"}}"#)).collect();
    full(&format!(r#"{{"attributes":[{}]}}"#, seven.join(",")), "attributes_per_app_max").await;
    let long = "x".repeat(501);
    invalid(
        &format!(r#"{{"attributes":[{{"name":"a","type":"string","pattern":"{long}"}}]}}"#),
        "attributes",
        "501",
    )
    .await;
    assert_eq!(present(&shelf.catalog, &shop), plan(ORDERS));
    assert_eq!(present(&shelf.neighbour().await, &shop), plan(ORDERS));
}

#[tokio::test]
async fn events_are_defined_and_removed_one_by_one() {
    let limits = CatalogLimits { planned_events_per_app_max: 2, ..CatalogLimits::default() };
    let shelf = Shelf::with(limits).await;
    let shop = create(&shelf.catalog, "shop").await.id;
    let c = &shelf.catalog;
    let event = |json: &str| -> PlannedEvent { serde_json::from_str(json).unwrap() };
    let paid = event(r#"{"name":"paid","attributes":[{"name":"amount","required":true}]}"#);
    assert_invalid(c.define_event(&shop, paid.clone()).await, "attributes");
    c.define_attribute(&shop, NewAttribute::new("amount", AttributeType::Number)).await.unwrap();
    c.define_event(&shop, paid.clone()).await.unwrap();
    let retired = PlannedEvent { status: PlanStatus::Retired, ..paid };
    c.define_event(&shop, retired.clone()).await.unwrap();
    assert_eq!(present(c, &shop).events, std::slice::from_ref(&retired));
    c.define_event(&shop, event(r#"{"name":"sent"}"#)).await.unwrap();
    assert_full(c.define_event(&shop, event(r#"{"name":"third"}"#)).await, "planned_events_per_app_max");
    c.define_event(&shop, event(r#"{"name":"sent","title":"Sent"}"#)).await.unwrap();
    c.remove_event(&shop, "sent").await.unwrap();
    assert_not_found(c.remove_event(&shop, "payed").await, "event", Some("paid"));

    c.set_plan_mode(&shop, PlanMode::Enforce).await.unwrap();
    c.remove_attribute(&shop, "amount").await.unwrap();
    let left = present(&shelf.neighbour().await, &shop);
    assert_eq!(left.mode, Some(PlanMode::Enforce));
    assert_eq!(left.events, [PlannedEvent { attributes: Vec::new(), ..retired }]);
}

#[tokio::test]
async fn pseudonyms_stay_the_same_and_differ_by_app() {
    let (shelf, shop) = Shelf::with_shop().await;
    let game = create(&shelf.catalog, "game").await.id;
    for app in [&shop, &game] {
        shelf.catalog.replace_plan(app, plan(ORDERS), false).await.unwrap();
    }
    let masked = |catalog: &Catalog, app: &AppId| {
        let view = catalog.snapshot().app(app).unwrap().clone();
        let properties = r#"{"phone":"13800138000"}"#;
        view.plan.apply("order_paid", properties.into(), &mut Vec::new()).unwrap().into_owned()
    };
    let one = masked(&shelf.catalog, &shop);
    assert!(one.contains("masked:"), "{one}");
    assert_ne!(masked(&shelf.catalog, &game), one);
    shelf.catalog.delete_app(&shop).await.unwrap();
    shelf.catalog.restore_app(&shop).await.unwrap();
    assert_eq!(masked(&shelf.catalog, &shop), one);
    assert_eq!(masked(&shelf.neighbour().await, &shop), one);
}

fn any_plan() -> impl Strategy<Value = PlanDefinition> {
    use AttributeType::{Boolean, Number, String, StringList};
    let kinds = prop::sample::select(vec![String, Number, Boolean, StringList]);
    let attributes = prop::collection::btree_map(prop::sample::select(vec!["a", "b", "c", "d"]), kinds, 0..4);
    let events = prop::collection::btree_set(prop::sample::select(vec!["x", "y"]), 0..3);
    (attributes, events).prop_map(|(attributes, events): (BTreeMap<&str, AttributeType>, _)| {
        let uses =
            attributes.keys().map(|name| format!(r#"{{"name":"{name}"}}"#)).collect::<Vec<_>>().join(",");
        let event = |name: &str| {
            serde_json::from_str(&format!(r#"{{"name":"{name}","attributes":[{uses}]}}"#)).unwrap()
        };
        PlanDefinition {
            mode: None,
            events: events.into_iter().map(event).collect(),
            attributes: attributes.into_iter().map(|(name, kind)| NewAttribute::new(name, kind)).collect(),
        }
    })
}

/// Whatever plan follows whatever plan: what is there is what was asked for, what was said to change
/// did, and a column given anew counts from a version that no row has yet.
#[test]
fn any_plan_can_follow_any_other() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (shelf, shop) = runtime.block_on(Shelf::with_shop());
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&any_plan(), |next| {
            let before = shelf.catalog.snapshot().app(&shop).unwrap().clone();
            runtime.block_on(shelf.catalog.replace_plan(&shop, next.clone(), false)).unwrap();
            let after = shelf.catalog.snapshot().app(&shop).unwrap().clone();
            let expected = PlanDefinition { mode: Some(PlanMode::Observe), ..next };
            prop_assert_eq!(after.plan_definition(), expected);
            for attribute in &after.attributes {
                let (Some(assigned), old) = (attribute.slot, before.attribute(&attribute.name)) else {
                    continue;
                };
                let is_kept = old.is_some_and(|old| old.kind == attribute.kind && old.slot == attribute.slot);
                prop_assert!(is_kept || assigned.since > before.slots.version);
                prop_assert!(assigned.since <= after.slots.version);
            }
            Ok(())
        })
        .unwrap();
}

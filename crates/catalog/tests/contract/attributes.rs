use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use suanpan_catalog::{AppView, Catalog, CatalogLimits, NewAttribute};
use suanpan_event::{AppId, AssignedSlot, Attribute, AttributeTerms, AttributeType, BUILT_INS, SlotFamily};

use crate::{Shelf, assert_full, assert_invalid, assert_not_found, create};

fn attribute(name: &str, kind: AttributeType) -> NewAttribute {
    NewAttribute::new(name, kind)
}

fn with_many_values(name: &str, kind: AttributeType) -> NewAttribute {
    let terms = AttributeTerms { many_values: true, ..AttributeTerms::default() };
    NewAttribute { terms, ..attribute(name, kind) }
}

async fn define(catalog: &Catalog, app: &AppId, name: &str, kind: AttributeType) -> Attribute {
    catalog.define_attribute(app, attribute(name, kind)).await.unwrap()
}

fn slot_name(attribute: &Attribute) -> Option<String> {
    attribute.slot.map(|s| s.slot.to_string())
}

fn assigned(slot: &str, since: u32) -> Option<AssignedSlot> {
    Some(AssignedSlot { slot: slot.parse().unwrap(), since })
}

#[tokio::test]
async fn a_defined_attribute_gets_the_lowest_slot_of_its_type() {
    let (shelf, shop) = Shelf::with_shop().await;
    let c = &shelf.catalog;
    assert_eq!(define(c, &shop, "colour", AttributeType::String).await.slot, assigned("cat_01", 1));
    assert_eq!(define(c, &shop, "price", AttributeType::Number).await.slot, assigned("num_01", 2));
    assert_eq!(define(c, &shop, "size", AttributeType::String).await.slot, assigned("cat_02", 3));
    assert_eq!(define(c, &shop, "gift", AttributeType::Boolean).await.slot, assigned("num_02", 4));
    assert_eq!(define(c, &shop, "due", AttributeType::Datetime).await.slot, assigned("num_03", 5));
    let order = with_many_values("order", AttributeType::String);
    assert_eq!(c.define_attribute(&shop, order).await.unwrap().slot, assigned("text_01", 6));

    let snapshot = c.snapshot();
    let view = snapshot.app(&shop).unwrap();
    let names: Vec<&str> = view.attributes.iter().map(|a| a.name.as_str()).collect();
    assert_eq!(names, ["colour", "due", "gift", "order", "price", "size"]);
    assert_eq!(view.attribute("price").unwrap().kind, AttributeType::Number);
    assert!(view.attribute("prise").is_none());
    assert_eq!(view.slots.version, 6);
    assert_eq!(view.slots.get("gift"), Some((AttributeType::Boolean, "num_02".parse().unwrap())));
}

#[tokio::test]
async fn texts_overflow_from_category_to_text_and_then_go_without() {
    let (shelf, shop) = Shelf::with_shop().await;
    for n in 1..=SlotFamily::Category.slots() {
        let given = define(&shelf.catalog, &shop, &format!("c{n}"), AttributeType::String).await;
        assert_eq!(slot_name(&given), Some(format!("cat_{n:02}")));
    }
    for n in 1..=SlotFamily::Text.slots() {
        let given = define(&shelf.catalog, &shop, &format!("t{n}"), AttributeType::String).await;
        assert_eq!(slot_name(&given), Some(format!("text_{n:02}")));
    }
    let version = shelf.catalog.snapshot().app(&shop).unwrap().slots.version;
    assert_eq!(define(&shelf.catalog, &shop, "late", AttributeType::String).await.slot, None);
    let snapshot = shelf.catalog.snapshot();
    let view = snapshot.app(&shop).unwrap();
    assert!(view.attribute("late").is_some(), "it is defined all the same");
    assert_eq!(view.slots.version, version, "the map did not change");

    shelf.catalog.remove_attribute(&shop, "c7").await.unwrap();
    let late = define(&shelf.catalog, &shop, "late", AttributeType::String).await;
    assert_eq!(
        late.slot,
        assigned("cat_07", version + 2),
        "defined again, it gets the slot that is free now"
    );
}

#[tokio::test]
async fn the_same_type_again_keeps_the_slot() {
    let (shelf, shop) = Shelf::with_shop().await;
    let first = define(&shelf.catalog, &shop, "colour", AttributeType::String).await;
    let titled = NewAttribute { title: "Colour".into(), ..with_many_values("colour", AttributeType::String) };
    let second = shelf.catalog.define_attribute(&shop, titled).await.unwrap();
    let terms = AttributeTerms { many_values: true, ..AttributeTerms::default() };
    assert_eq!(second, Attribute { title: "Colour".into(), terms, ..first });
    let snapshot = shelf.catalog.snapshot();
    assert_eq!(snapshot.app(&shop).unwrap().attribute("colour"), Some(&second));
    assert_eq!(snapshot.app(&shop).unwrap().slots.version, 1);
}

#[tokio::test]
async fn another_type_takes_a_slot_anew_even_in_the_same_column() {
    let (shelf, shop) = Shelf::with_shop().await;
    let c = &shelf.catalog;
    assert_eq!(define(c, &shop, "price", AttributeType::String).await.slot, assigned("cat_01", 1));
    assert_eq!(define(c, &shop, "price", AttributeType::Number).await.slot, assigned("num_01", 2));
    assert_eq!(define(c, &shop, "colour", AttributeType::String).await.slot, assigned("cat_01", 3));
    // The same column, read differently: rows of version 2 must not be trusted.
    assert_eq!(define(c, &shop, "price", AttributeType::Boolean).await.slot, assigned("num_01", 4));
}

#[tokio::test]
async fn a_released_slot_is_given_again_above_every_version_that_wrote_it() {
    let (shelf, shop) = Shelf::with_shop().await;
    define(&shelf.catalog, &shop, "colour", AttributeType::String).await;
    let written = shelf.catalog.snapshot().app(&shop).unwrap().slots.version;
    shelf.catalog.remove_attribute(&shop, "colour").await.unwrap();
    let removed = shelf.catalog.snapshot();
    assert!(removed.app(&shop).unwrap().attributes.is_empty());
    assert!(removed.app(&shop).unwrap().slots.version > written);

    // Neither deletion of the app nor a restart starts the versions anew.
    shelf.catalog.delete_app(&shop).await.unwrap();
    shelf.catalog.restore_app(&shop).await.unwrap();
    let neighbour = shelf.neighbour().await;
    let size = define(&neighbour, &shop, "size", AttributeType::String).await.slot.unwrap();
    assert_eq!(size.slot.to_string(), "cat_01");
    assert!(size.since > written);
}

#[derive(Debug, Clone)]
enum Step {
    Define(NewAttribute),
    Remove(String),
}

/// Few names and types, so that attributes meet in the same columns.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    use AttributeType::{Boolean, Number, String};
    let name = proptest::sample::select(vec!["a", "b", "c", "d"]);
    let kind = proptest::sample::select(vec![String, Number, Boolean]);
    let define = (name.clone(), kind, any::<bool>()).prop_map(|(name, kind, many)| {
        if many { with_many_values(name, kind) } else { attribute(name, kind) }
    });
    let step =
        prop_oneof![3 => define.prop_map(Step::Define), 1 => name.prop_map(|n| Step::Remove(n.to_owned()))];
    proptest::collection::vec(step, 1..25)
}

/// What the pipeline would write to each column under one version of the map.
type Written = HashMap<String, (String, AttributeType)>;

fn written_by(view: &AppView) -> Written {
    let columns = view.attributes.iter().filter_map(|a| Some((slot_name(a)?, (a.name.clone(), a.kind))));
    columns.collect()
}

/// The promise that questions rest on: every row whose version is at least `since` holds the
/// attribute in its column, whatever was defined and removed before.
#[test]
fn rows_since_a_slot_was_given_hold_its_attribute() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (shelf, _) = runtime.block_on(Shelf::with_shop());
    let apps = std::cell::Cell::new(0);
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            apps.set(apps.get() + 1);
            runtime.block_on(async {
                let app = create(&shelf.catalog, &format!("app-{}", apps.get())).await.id;
                let mut history: HashMap<u32, Written> = HashMap::new();
                for step in steps {
                    // Removing what is not there is refused, and must change nothing.
                    match step {
                        Step::Define(new) => drop(shelf.catalog.define_attribute(&app, new).await.unwrap()),
                        Step::Remove(name) => drop(shelf.catalog.remove_attribute(&app, &name).await),
                    }
                    let snapshot = shelf.catalog.snapshot();
                    check_promise(snapshot.app(&app).unwrap(), &mut history);
                }
            });
            Ok(())
        })
        .unwrap();
}

fn check_promise(view: &AppView, history: &mut HashMap<u32, Written>) {
    let now = written_by(view);
    let known = history.entry(view.slots.version).or_insert_with(|| now.clone());
    assert_eq!(*known, now, "one version is one map");
    for attribute in &view.attributes {
        let Some(AssignedSlot { slot, since }) = attribute.slot else { continue };
        assert!(since <= view.slots.version);
        for (version, written) in history.iter().filter(|(version, _)| **version >= since) {
            let holder = written.get(&slot.to_string());
            assert_eq!(holder, Some(&(attribute.name.clone(), attribute.kind)), "version {version}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_defined_at_once_never_share_a_slot() {
    let (shelf, shop) = Shelf::with_shop().await;
    let neighbour = shelf.neighbour().await;
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let catalog = if n % 2 == 0 { shelf.catalog.clone() } else { neighbour.clone() };
            let shop = shop.clone();
            tokio::spawn(
                async move { define(&catalog, &shop, &format!("a{n}"), AttributeType::String).await },
            )
        })
        .collect();
    let mut slots = HashSet::new();
    let mut since = HashSet::new();
    let mut without = 0;
    for task in tasks {
        match task.await.unwrap().slot {
            Some(given) => assert!(slots.insert(given.slot) && since.insert(given.since)),
            None => without += 1,
        }
    }
    assert_eq!((slots.len(), without), (32, 8), "every text column is used");
}

#[tokio::test]
async fn names_that_can_not_be_are_refused() {
    let (shelf, shop) = Shelf::with_shop().await;
    let long = "x".repeat(129);
    let built_in = BUILT_INS.iter().map(|b| b.name);
    for name in ["", " ", "a\nb", "a\u{0}", &long].into_iter().chain(built_in) {
        let refused = shelf.catalog.define_attribute(&shop, attribute(name, AttributeType::String)).await;
        assert_invalid(refused, "name");
    }
    for name in [&"价".repeat(128), "$price", "a b", "x'; DROP TABLE apps; --"] {
        define(&shelf.catalog, &shop, name, AttributeType::Number).await;
        assert!(shelf.catalog.snapshot().app(&shop).unwrap().attribute(name).is_some());
    }
}

#[tokio::test]
async fn an_unknown_attribute_is_answered_with_the_nearest() {
    let (shelf, shop) = Shelf::with_shop().await;
    define(&shelf.catalog, &shop, "colour", AttributeType::String).await;
    let version = shelf.catalog.snapshot().version();
    let refused = shelf.catalog.remove_attribute(&shop, "color").await;
    assert_not_found(refused, "attribute", Some("colour"));
    assert_eq!(shelf.catalog.snapshot().version(), version);
}

#[tokio::test]
async fn attributes_are_bounded_but_known_ones_can_be_changed() {
    let limits = CatalogLimits { attributes_per_app_max: 2, ..CatalogLimits::default() };
    let shelf = Shelf::with(limits).await;
    let shop = create(&shelf.catalog, "shop").await.id;
    define(&shelf.catalog, &shop, "a", AttributeType::String).await;
    define(&shelf.catalog, &shop, "b", AttributeType::String).await;
    let one_more = shelf.catalog.define_attribute(&shop, attribute("c", AttributeType::String)).await;
    assert_full(one_more, "attributes_per_app_max");
    define(&shelf.catalog, &shop, "b", AttributeType::Number).await;
}

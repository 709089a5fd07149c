use suanpan_catalog::{CatalogLimits, NewRule, StoredRule};

use crate::{Shelf, assert_full, assert_invalid, assert_not_found, create};

fn rule(name: &str, body: &str) -> NewRule {
    NewRule { name: name.into(), title: format!("Title of {name}"), body: body.into() }
}

fn versions(rules: &[StoredRule]) -> Vec<(u32, &str)> {
    rules.iter().map(|r| (r.version, r.body.as_str())).collect()
}

#[tokio::test]
async fn each_new_body_is_a_version_and_versions_stay() {
    let (shelf, shop) = Shelf::with_shop().await;
    let c = &shelf.catalog;
    let first = c.save_rule(&shop, rule("daily", r#"{"n":1}"#)).await.unwrap();
    assert_eq!((first.version, first.body.as_str()), (1, r#"{"n":1}"#));
    let second = c.save_rule(&shop, rule("daily", r#"{"n":2}"#)).await.unwrap();
    assert_eq!(second.version, 2);
    let again = NewRule { title: "Daily".into(), ..rule("daily", r#"{"n":2}"#) };
    let again = c.save_rule(&shop, again).await.unwrap();
    assert_eq!(again, StoredRule { title: "Daily".into(), ..second }, "the same body makes no version");
    let back = c.save_rule(&shop, rule("daily", r#"{"n":1}"#)).await.unwrap();
    assert_eq!(back.version, 3, "an earlier body is a new version");

    assert_eq!(c.rule(&shop, "daily", None).await.unwrap(), back);
    assert_eq!(c.rule(&shop, "daily", Some(2)).await.unwrap().body, r#"{"n":2}"#);
    let all = c.rule_versions(&shop, "daily").await.unwrap();
    assert_eq!(versions(&all), [(3, r#"{"n":1}"#), (2, r#"{"n":2}"#), (1, r#"{"n":1}"#)]);
}

#[tokio::test]
async fn rules_are_listed_by_their_newest_versions_and_by_app() {
    let (shelf, shop) = Shelf::with_shop().await;
    let game = create(&shelf.catalog, "game").await.id;
    for (app, name, body) in [(&shop, "b", "1"), (&shop, "a", "2"), (&shop, "b", "3"), (&game, "a", "4")] {
        shelf.catalog.save_rule(app, rule(name, body)).await.unwrap();
    }
    let listed = shelf.catalog.rules(&shop).await.unwrap();
    assert_eq!(versions(&listed), [(1, "2"), (2, "3")]);
    assert_eq!(versions(&shelf.catalog.rules(&game).await.unwrap()), [(1, "4")]);
}

#[tokio::test]
async fn a_deleted_rule_is_gone_until_it_is_restored_or_saved() {
    let (shelf, shop) = Shelf::with_shop().await;
    let c = &shelf.catalog;
    c.save_rule(&shop, rule("daily", "1")).await.unwrap();
    c.save_rule(&shop, rule("daily", "2")).await.unwrap();
    c.delete_rule(&shop, "daily").await.unwrap();
    assert_not_found(c.rule(&shop, "daily", None).await, "rule", None);
    assert_not_found(c.rule(&shop, "daily", Some(1)).await, "rule", None);
    assert_not_found(c.rule_versions(&shop, "daily").await, "rule", None);
    assert_not_found(c.delete_rule(&shop, "daily").await, "rule", None);
    assert!(c.rules(&shop).await.unwrap().is_empty());

    assert_eq!(c.restore_rule(&shop, "daily").await.unwrap().version, 2);
    c.delete_rule(&shop, "daily").await.unwrap();
    assert_eq!(c.save_rule(&shop, rule("daily", "3")).await.unwrap().version, 3);
    assert_eq!(c.rule_versions(&shop, "daily").await.unwrap().len(), 3);
    c.delete_rule(&shop, "daily").await.unwrap();
    assert_eq!(c.save_rule(&shop, rule("daily", "3")).await.unwrap().version, 3);
    assert_eq!(c.rule(&shop, "daily", None).await.unwrap().body, "3");
}

#[tokio::test]
async fn what_is_not_there_is_answered_with_the_nearest() {
    let (shelf, shop) = Shelf::with_shop().await;
    let c = &shelf.catalog;
    c.save_rule(&shop, rule("daily-people", "1")).await.unwrap();
    assert_not_found(c.rule(&shop, "daily-peple", None).await, "rule", Some("daily-people"));
    assert_not_found(c.delete_rule(&shop, "daily-poeple").await, "rule", Some("daily-people"));
    assert_not_found(c.restore_rule(&shop, "dayly-people").await, "rule", Some("daily-people"));
    let version = c.rule(&shop, "daily-people", Some(7)).await;
    assert_not_found(version, "rule version", Some("daily-people version 1"));
}

#[tokio::test]
async fn a_body_is_json_and_bounded() {
    let shelf = Shelf::with(CatalogLimits { rule_body_bytes_max: 20, ..CatalogLimits::default() }).await;
    let shop = create(&shelf.catalog, "shop").await.id;
    for body in ["", "{", "{'a':1}", "{} {}"] {
        assert_invalid(shelf.catalog.save_rule(&shop, rule("r", body)).await, "body");
    }
    assert_invalid(shelf.catalog.save_rule(&shop, rule("", "{}")).await, "name");
    let body = format!("\"{}\"", "x".repeat(19));
    assert_full(shelf.catalog.save_rule(&shop, rule("r", &body)).await, "rule_body_bytes_max");
    let body = format!("\"{}\"", "x".repeat(18));
    assert_eq!(shelf.catalog.save_rule(&shop, rule("r", &body)).await.unwrap().body, body);
}

#[tokio::test]
async fn rules_and_versions_are_bounded() {
    let limits = CatalogLimits { rules_per_app_max: 2, rule_versions_max: 2, ..CatalogLimits::default() };
    let shelf = Shelf::with(limits).await;
    let c = &shelf.catalog;
    let shop = create(c, "shop").await.id;
    for (name, body) in [("a", "1"), ("a", "2"), ("b", "1")] {
        c.save_rule(&shop, rule(name, body)).await.unwrap();
    }
    assert_full(c.save_rule(&shop, rule("a", "3")).await, "rule_versions_max");
    c.save_rule(&shop, rule("a", "2")).await.unwrap();
    assert_full(c.save_rule(&shop, rule("c", "1")).await, "rules_per_app_max");
    c.delete_rule(&shop, "b").await.unwrap();
    c.save_rule(&shop, rule("c", "1")).await.unwrap();
    assert_full(c.restore_rule(&shop, "b").await, "rules_per_app_max");
    assert_full(c.save_rule(&shop, rule("b", "1")).await, "rules_per_app_max");
}

#[tokio::test]
async fn the_oldest_deleted_rules_go_with_their_versions() {
    let shelf = Shelf::with(CatalogLimits { deleted_rules_kept: 1, ..CatalogLimits::default() }).await;
    let c = &shelf.catalog;
    let shop = create(c, "shop").await.id;
    for name in ["b", "a"] {
        c.save_rule(&shop, rule(name, "1")).await.unwrap();
        c.save_rule(&shop, rule(name, "2")).await.unwrap();
        c.delete_rule(&shop, name).await.unwrap();
    }
    assert_not_found(c.restore_rule(&shop, "b").await, "rule", None);
    assert_eq!(c.restore_rule(&shop, "a").await.unwrap().version, 2);
    assert_eq!(c.save_rule(&shop, rule("b", "3")).await.unwrap().version, 1);
}

/// PostgreSQL's texts can't have a zero character: asked for one, it must not look like a failing database.
#[tokio::test]
async fn a_name_that_no_database_can_hold_is_an_unknown_one() {
    let (shelf, shop) = Shelf::with_shop().await;
    let c = &shelf.catalog;
    assert_not_found(c.rule(&shop, "a\0b", None).await, "rule", None);
    assert_not_found(c.rule_versions(&shop, "a\0b").await, "rule", None);
    assert_not_found(c.delete_rule(&shop, "a\0b").await, "rule", None);
    assert_not_found(c.restore_rule(&shop, "a\0b").await, "rule", None);
    assert_not_found(c.remove_attribute(&shop, "a\0b").await, "attribute", None);
    assert_not_found(c.remove_event(&shop, "a\0b").await, "event", None);
    let job = c.start_replay(&shop, "a\0b").await.unwrap();
    c.end_replay(job.id, suanpan_catalog::ReplayState::Failed, "a\0b").await.unwrap();
    assert_eq!(c.replay(&shop, job.id).await.unwrap().problem, "a\u{fffd}b");
}

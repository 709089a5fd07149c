//! The guide `docs/rules.md`: its rules compile and run, its tables are complete.

use suanpan_event::{AttributeType, BUILT_INS};
use suanpan_rules::{ErrorCode, RuleLimits, json_schema, parse};

use crate::data::attribute;
use crate::rig::App;

fn guide() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rules.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn every_rule_of_the_guide_runs() {
    let guide = guide();
    let rules = guide.split("```json rule\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let rules = rules.collect::<Vec<_>>();
    assert_eq!(rules.len(), guide.matches("```json").count());
    assert!(rules.len() >= 7);
    let attributes = [
        attribute("amount", AttributeType::Number, None),
        attribute("channel", AttributeType::String, None),
        attribute("vip", AttributeType::Boolean, None),
    ];
    let mut app = App::new("Asia/Shanghai", &attributes, &[]);
    app.now_ms = 1_709_251_200_000;
    for text in rules {
        let rule = parse(text).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        let answer = app.answer(&rule);
        assert_eq!(answer.measures.len(), rule.measures.len());
        assert_eq!(answer.series.len(), usize::from(rule.breakdown.is_empty()));
    }
}

#[test]
fn the_tables_of_the_guide_are_complete() {
    let guide = guide();
    for code in ErrorCode::ALL {
        assert!(guide.contains(&format!("| `{}` |", code.name())), "{code}");
    }
    let limits = serde_json::to_value(RuleLimits::default()).unwrap();
    for (name, value) in limits.as_object().unwrap() {
        assert!(guide.contains(&format!("| `{name}` | {value} |")), "{name}");
    }
    for built_in in BUILT_INS {
        assert!(guide.contains(&format!("`{}`", built_in.name)), "{}", built_in.name);
    }
    let schema = json_schema();
    for name in ["MeasureKind", "Interval", "Comparison", "AttributeType"] {
        let words = &schema["$defs"][name];
        let words =
            words["oneOf"].as_array().map(|all| all.iter().map(|one| &one["const"]).collect::<Vec<_>>());
        let words = words.or_else(|| Some(schema["$defs"][name]["enum"].as_array()?.iter().collect()));
        for word in words.unwrap_or_else(|| panic!("{name} is no list of words: {schema}")) {
            assert!(guide.contains(word.as_str().unwrap()), "{word}");
        }
    }
    for word in schema["$defs"]["Filter"]
        .to_string()
        .split("\"enum\":[")
        .nth(1)
        .unwrap()
        .split(']')
        .next()
        .unwrap()
        .split(',')
    {
        let word = word.trim_matches('"');
        assert!(guide.contains(&format!("`{word}`")), "{word}");
    }
}

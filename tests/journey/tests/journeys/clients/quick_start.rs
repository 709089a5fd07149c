use super::run::root;

/// What stands around a quick start in a driver.
const BEGIN: &str = "quick start";
const END: &str = "end";
/// What only the tests need: shorter waiting, and word of the end.
const OF_TESTS: [&str; 4] =
    [", ...pace", ", ...here", ".callback(callback)", ", Callback: ended, BatchSize: 50, Interval: pace"];
const DRIVERS: [&str; 5] = ["js", "js/browser", "python", "go", "java"];

/// Each driver's quick start stands in docs/clients.md, word for word, and nothing else does.
pub async fn the_documented_ones_are_tested() {
    let page = std::fs::read_to_string(root().join("docs/clients.md")).expect("there is docs/clients.md");
    let mut documented: Vec<String> = page.split("```").skip(1).step_by(2).map(code).collect();
    let mut tested: Vec<String> = drivers().iter().filter_map(|driver| quick_start(driver)).collect();
    documented.sort();
    tested.sort();
    for snippet in &tested {
        assert!(documented.contains(snippet), "docs/clients.md lacks this quick start:\n{snippet}");
    }
    assert_eq!(documented, tested, "docs/clients.md shows code that no driver runs");
}

/// A block without its language and its last line's end.
fn code(block: &str) -> String {
    block.split_once('\n').map_or("", |(_language, code)| code).trim_end().to_owned()
}

/// The drivers' code.
fn drivers() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders: Vec<_> = DRIVERS.iter().map(|name| root().join("tests/clients").join(name)).collect();
    folders.extend(["segment", "posthog"].map(|name| root().join("tests/clients/go").join(name)));
    for folder in folders {
        for entry in std::fs::read_dir(&folder).expect("there are drivers") {
            let path = entry.expect("the folder can be read").path();
            if path
                .extension()
                .is_some_and(|kind| ["js", "mjs", "py", "go", "java"].iter().any(|k| kind == *k))
            {
                found.push(std::fs::read_to_string(path).expect("a driver is text"));
            }
        }
    }
    found
}

/// What stands between the two marks, as far to the left as it goes.
fn quick_start(driver: &str) -> Option<String> {
    let is_mark = |line: &str, mark: &str| line.trim().trim_start_matches(['/', '#']).trim_start() == mark;
    let lines: Vec<&str> = driver.lines().collect();
    let begin = lines.iter().position(|line| is_mark(line, BEGIN))?;
    let end = begin + lines[begin..].iter().position(|line| is_mark(line, END)).expect("each has an end");
    let indent = lines[begin].len() - lines[begin].trim_start().len();
    let mut text: Vec<String> =
        lines[begin + 1..end].iter().map(|line| line.get(indent..).unwrap_or_default().to_owned()).collect();
    for line in &mut text {
        for of_tests in OF_TESTS {
            *line = line.replace(of_tests, "");
        }
    }
    Some(text.join("\n"))
}

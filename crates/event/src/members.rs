use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::properties::text_end;

/// A JSON text in which the values of some members, at any depth, are others; none if it is no JSON.
///
/// `edit` is shown the name and the JSON text of each member that is `wanted`. What it gives takes the
/// value's place and must be JSON. Values that are kept are looked into. Borrows where nothing changes.
pub fn edit_members<'a>(
    json: &'a str,
    wanted: impl Fn(&str) -> bool,
    mut edit: impl FnMut(&str, &str) -> Option<Cow<'static, str>>,
) -> Option<Cow<'a, str>> {
    serde_json::from_str::<IgnoredAny>(json).ok()?;
    let mut edited = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(member) = next_member(json, at) {
        at = member.value_start;
        // The end of a value is only looked for where its name is wanted: else nesting would cost its
        // square.
        let Some(name) = json_name(&json[member.name_start..member.name_end]).filter(|n| wanted(n)) else {
            continue;
        };
        let end = value_end(json.as_bytes(), at);
        if let Some(value) = edit(&name, &json[at..end]) {
            edited.push_str(&json[copied..at]);
            edited.push_str(&value);
            (copied, at) = (end, end);
        }
    }
    if copied == 0 {
        return Some(Cow::Borrowed(json));
    }
    edited.push_str(&json[copied..]);
    Some(Cow::Owned(edited))
}

/// A member of an object: where its name stands in its quotes, and where its value begins.
struct Member {
    name_start: usize,
    name_end: usize,
    value_start: usize,
}

/// The next member of any object in a valid JSON text, from an index between two of its tokens.
fn next_member(json: &str, from: usize) -> Option<Member> {
    let bytes = json.as_bytes();
    let mut at = from;
    loop {
        let name_start = at + bytes.get(at..)?.iter().position(|b| *b == b'"')?;
        let name_end = text_end(bytes, name_start);
        let colon = after_space(bytes, name_end);
        // Only a name is followed by a colon.
        if bytes.get(colon) == Some(&b':') {
            return Some(Member { name_start, name_end, value_start: after_space(bytes, colon + 1) });
        }
        at = name_end;
    }
}

fn after_space(bytes: &[u8], from: usize) -> usize {
    from + bytes[from..].iter().take_while(|b| b.is_ascii_whitespace()).count()
}

/// The index behind the value that begins at `start` in a valid JSON text.
fn value_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = text_end(bytes, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return if depth == 1 { at + 1 } else { at },
            b'}' | b']' => depth -= 1,
            b',' if depth == 0 => return at,
            byte if depth == 0 && byte.is_ascii_whitespace() => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

fn json_name(quoted: &str) -> Option<Cow<'_, str>> {
    if quoted.contains('\\') {
        return serde_json::from_str::<String>(quoted).ok().map(Cow::Owned);
    }
    Some(quoted.strip_prefix('"')?.strip_suffix('"')?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_members_are_replaced_wherever_they_stand() {
        let hide =
            |json| edit_members(json, |name| name == "ip", |_, value| (value != "0").then(|| "1".into()));
        let check = |json, expected: Option<&str>| assert_eq!(hide(json).as_deref(), expected, "{json}");
        check(
            r#"{"ip":"a","b":[{"ip" : {"ip":2}}],"c":"ip"}"#,
            Some(r#"{"ip":1,"b":[{"ip" : 1}],"c":"ip"}"#),
        );
        check(r#"{"i\u0070":"\"}"}"#, Some(r#"{"i\u0070":1}"#));
        check(r#"{"ip":0,"a":"\"ip\":3"}"#, Some(r#"{"ip":0,"a":"\"ip\":3"}"#));
        check(r#""ip""#, Some(r#""ip""#));
        check(r#"{"ip""#, None);
    }
}

//! "Did you mean": the known name that a given one was probably meant to be.

/// The nearest of the known names, if one is near: at most one slip in four characters, plus one.
/// Case does not count. Of equally near names the first wins.
pub(crate) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    let slips_max = 1 + given.chars().count() / 4;
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&given, &name.to_lowercase()), name))
        .filter(|(slips, _)| *slips <= slips_max)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_forgiven_but_other_words_are_not() {
        let known = ["amount", "platform", "channel"];
        let check =
            |given: &str, expected: Option<&str>| assert_eq!(nearest(given, known), expected, "{given}");
        check("amuont", Some("amount"));
        check("Platfrom", Some("platform"));
        check("chanel", Some("channel"));
        check("price", None);
        check("", None);
    }
}

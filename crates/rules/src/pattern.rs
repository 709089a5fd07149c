//! Whether a regular expression means to the engine (RE2) what its author can read up.
//!
//! The engine would refuse some patterns only when it runs, so they are checked here with the
//! parser of Rust's `regex`, whose syntax is nearly RE2's; what only one of the two knows, or
//! reads otherwise, is refused.

use regex_syntax::ast::parse::Parser;
use regex_syntax::ast::{
    self, AssertionKind, Ast, ClassSetItem, ClassUnicodeKind, Flag, FlagsItemKind, RepetitionKind,
    RepetitionRange, Visitor,
};

/// RE2 refuses counted repetitions above this, nested ones multiplied.
const REPEAT_MAX: u32 = 1_000;

/// Why the engine would not take a pattern; nothing if it would.
pub(crate) fn refusal(pattern: &str) -> Option<String> {
    if pattern.contains('\0') {
        return Some("a pattern can't hold the character U+0000".to_owned());
    }
    let parsed = match Parser::new().parse(pattern) {
        Ok(parsed) => parsed,
        Err(error) => {
            let at = error.span().start.column;
            return Some(format!("{} (at character {at})", error.kind()));
        }
    };
    ast::visit(&parsed, Checker { repeats: vec![1] }).err()
}

/// Walks the pattern; `repeats` holds the product of the counted repetitions around each level.
struct Checker {
    repeats: Vec<u32>,
}

impl Visitor for Checker {
    type Output = ();
    type Err = String;

    fn finish(self) -> Result<(), String> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), String> {
        match ast {
            Ast::Flags(set) => flags(&set.flags),
            Ast::Group(group) => match &group.kind {
                ast::GroupKind::NonCapturing(set) => flags(set),
                _ => Ok(()),
            },
            Ast::Assertion(assertion) => match assertion.kind {
                AssertionKind::StartLine
                | AssertionKind::EndLine
                | AssertionKind::StartText
                | AssertionKind::EndText
                | AssertionKind::WordBoundary
                | AssertionKind::NotWordBoundary => Ok(()),
                _ => Err("only the boundaries ^ $ \\A \\z \\b \\B are known".to_owned()),
            },
            Ast::ClassUnicode(class) => class_unicode(&class.kind),
            Ast::Repetition(repetition) => self.enter_repetition(&repetition.op.kind),
            Ast::Literal(literal) => literal_form(literal),
            _ => Ok(()),
        }
    }

    fn visit_post(&mut self, ast: &Ast) -> Result<(), String> {
        if matches!(ast, Ast::Repetition(_)) {
            self.repeats.pop();
        }
        Ok(())
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), String> {
        match item {
            ClassSetItem::Bracketed(_) => {
                Err("a class within a class is not known; escape the '['".to_owned())
            }
            ClassSetItem::Unicode(class) => class_unicode(&class.kind),
            ClassSetItem::Literal(literal) => literal_form(literal),
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, _: &ast::ClassSetBinaryOp) -> Result<(), String> {
        Err("&&, -- and ~~ are not known in a class; escape them".to_owned())
    }
}

impl Checker {
    fn enter_repetition(&mut self, kind: &RepetitionKind) -> Result<(), String> {
        let count = match kind {
            RepetitionKind::Range(
                RepetitionRange::Exactly(n) | RepetitionRange::AtLeast(n) | RepetitionRange::Bounded(_, n),
            ) => (*n).max(1),
            _ => 1,
        };
        let around = self.repeats.last().copied().unwrap_or(1);
        let product = around.saturating_mul(count);
        if product > REPEAT_MAX {
            return Err(format!("it repeats {product} times; at most {REPEAT_MAX} are possible"));
        }
        self.repeats.push(product);
        Ok(())
    }
}

fn flags(flags: &ast::Flags) -> Result<(), String> {
    let known = |kind: &FlagsItemKind| match kind {
        FlagsItemKind::Negation => true,
        FlagsItemKind::Flag(flag) => matches!(
            flag,
            Flag::CaseInsensitive | Flag::MultiLine | Flag::DotMatchesNewLine | Flag::SwapGreed
        ),
    };
    let all_known = flags.items.iter().all(|item| known(&item.kind));
    if all_known { Ok(()) } else { Err("only the flags i, m, s and U are known".to_owned()) }
}

fn class_unicode(kind: &ClassUnicodeKind) -> Result<(), String> {
    match kind {
        ClassUnicodeKind::OneLetter('L' | 'M' | 'N' | 'P' | 'S' | 'Z' | 'C') => Ok(()),
        ClassUnicodeKind::Named(name) if KNOWN_CLASSES.contains(&name.as_str()) => Ok(()),
        _ => {
            Err(format!("of Unicode classes only \\p{{…}} with one of {} is known", KNOWN_CLASSES.join(", ")))
        }
    }
}

/// The general categories and the scripts that matter most, as both sides spell them.
const KNOWN_CLASSES: &[&str] = &[
    "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "N", "Nd", "Nl", "No", "P", "S", "Z", "Zs", "Arabic", "Cyrillic",
    "Greek", "Han", "Hangul", "Hebrew", "Hiragana", "Katakana", "Latin", "Thai",
];

/// `\u` and `\U` are Rust's alone; `\x` is both's.
fn literal_form(literal: &ast::Literal) -> Result<(), String> {
    use regex_syntax::ast::{HexLiteralKind, LiteralKind};
    match literal.kind {
        LiteralKind::HexFixed(HexLiteralKind::UnicodeShort | HexLiteralKind::UnicodeLong)
        | LiteralKind::HexBrace(HexLiteralKind::UnicodeShort | HexLiteralKind::UnicodeLong) => {
            Err("write \\x{…} instead of \\u or \\U".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_both_sides_read_alike_is_taken() {
        let check = |pattern: &str, fits: bool| {
            let refusal = refusal(pattern);
            assert_eq!(refusal.is_none(), fits, "{pattern}: {refusal:?}");
        };
        for good in [
            "^a.*b$",
            "(?i)shop",
            "a{2,1000}",
            "[^a-z0-9]+",
            "[[:alpha:]]",
            r"\d+\.\d\x{4e00}",
            r"\p{Han}\pL",
            "(?P<n>x)|(?:y)",
            r"\bword\b",
            "",
            "店",
        ] {
            check(good, true);
        }
        for bad in [
            "(",
            "[a",
            "a{1001}",
            "(a{100}){100}",
            "[a&&b]",
            "[[a]b]",
            r"\p{script=Greek}",
            "(?x)a b",
            r"\b{start}",
            r"\u4e00",
            "(?=a)",
            r"(a)\1",
            "a**b\\",
            "\0",
            r"\p{Emoji}",
        ] {
            check(bad, false);
        }
    }
}

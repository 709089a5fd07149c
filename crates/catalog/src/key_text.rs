//! A key's text: `spw_` (write) or `spr_` (read), 32 characters that carry 160 random bits, and 4
//! characters of checksum, in Crockford's base-32 digits (no i, l, o, u, so that it can be read
//! aloud). The checksum lets a mistyped or cut key be told from a revoked one without a look-up.
//!
//! Only the text's SHA-256 is kept. A slow password hash protects secrets that can be guessed;
//! 160 random bits can't be, so a fast one loses nothing, and every request pays for it.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const PREFIX_CHARS: usize = 4;
const RANDOM_BYTES: usize = 20;
const CHECKSUM_CHARS: usize = 4;
const TEXT_CHARS: usize = PREFIX_CHARS + RANDOM_BYTES * 8 / 5 + CHECKSUM_CHARS;
/// How many characters are kept in the clear so that people can tell keys apart: 4 of the random
/// ones, which leaves 140 bits unknown.
const SHOWN_CHARS: usize = PREFIX_CHARS + 4;

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// Report events of its app, nothing else. It may be published inside clients.
    Write,
    /// Ask about its app.
    Read,
}

impl KeyKind {
    /// The kind's name in requests, listings and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Write => "spw_",
            Self::Read => "spr_",
        }
    }
}

/// A new key's text. It is shown once: the catalog keeps only its hash. Prints as `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    pub(crate) fn random(kind: KeyKind) -> Self {
        let mut text = kind.prefix().to_owned();
        text.extend(digits(&rand::random::<[u8; RANDOM_BYTES]>()));
        let checksum = checksum(&text);
        Self(text + &checksum)
    }

    /// The text itself, for the person who asked for the key.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn first_characters(&self) -> &str {
        &self.0[..SHOWN_CHARS]
    }

    pub(crate) fn hash(&self) -> KeyHash {
        KeyHash::of(&self.0).expect("a new key has the form of a key")
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The SHA-256 of a key's text: what is stored, and what is looked up.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// None for a text that is no key by its length, so a long text costs no hashing.
    pub fn of(text: &str) -> Option<Self> {
        (text.len() == TEXT_CHARS).then(|| Self(Sha256::digest(text).into()))
    }
}

/// Why a text can't be any catalog's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyTextError {
    /// It does not start like one.
    #[error("this is no key: keys start with spw_ (write) or spr_ (read)")]
    NotAKey,
    /// It starts like one, but characters are missing, added or wrong.
    #[error("this key was mistyped or cut: its checksum is wrong")]
    Mistyped,
}

/// Tells a key's kind from its text alone, to give a helpful message about a key that
/// [`crate::Snapshot::key`] does not find. Ok does not mean that the key exists.
///
/// # Errors
/// The text is no key, or a mistyped one.
pub fn recognise_key(text: &str) -> Result<KeyKind, KeyTextError> {
    let kind = [KeyKind::Write, KeyKind::Read]
        .into_iter()
        .find(|k| text.starts_with(k.prefix()))
        .ok_or(KeyTextError::NotAKey)?;
    match text.split_at_checked(TEXT_CHARS - CHECKSUM_CHARS) {
        Some((body, check)) if checksum(body) == check => Ok(kind),
        _ => Err(KeyTextError::Mistyped),
    }
}

/// The first 20 bits of the SHA-256 of the text before it: one mistake in a million slips through.
fn checksum(body: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(body).into();
    digits(&hash[..5]).take(CHECKSUM_CHARS).collect()
}

/// Whole groups of 5 bytes as 8 digits each.
fn digits(bytes: &[u8]) -> impl Iterator<Item = char> {
    bytes.chunks_exact(5).flat_map(|group| {
        let bits = group.iter().fold(0_u64, |bits, &byte| bits << 8 | u64::from(byte));
        (0..8).rev().map(move |n| DIGITS[(bits >> (5 * n) & 31) as usize] as char)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_bytes_are_eight_digits() {
        let check = |bytes: [u8; 5], expected: &str| assert_eq!(digits(&bytes).collect::<String>(), expected);
        check([0; 5], "00000000");
        check([255; 5], "zzzzzzzz");
        check([0, 0, 0, 0, 33], "00000011");
        check([0b0000_1000, 0, 0, 0, 0], "10000000");
    }

    #[test]
    fn a_mistyped_key_is_recognised() {
        for kind in [KeyKind::Write, KeyKind::Read] {
            let secret = SecretText::random(kind);
            let text = secret.expose();
            assert_eq!(text.len(), TEXT_CHARS);
            assert_eq!(recognise_key(text), Ok(kind));
            assert_eq!(recognise_key(&text[..TEXT_CHARS - 1]), Err(KeyTextError::Mistyped));
            assert_eq!(recognise_key(&format!("{text}0")), Err(KeyTextError::Mistyped));
            let other = if text.as_bytes()[10] == b'x' { "y" } else { "x" };
            let wrong = format!("{}{other}{}", &text[..10], &text[11..]);
            assert_eq!(recognise_key(&wrong), Err(KeyTextError::Mistyped));
        }
        for text in ["", "spx_0000", "Bearer spw_", "钥匙"] {
            assert_eq!(recognise_key(text), Err(KeyTextError::NotAKey), "{text}");
        }
        assert_eq!(recognise_key("spw_钥匙钥匙钥匙钥匙钥匙钥匙钥匙"), Err(KeyTextError::Mistyped));
    }
}

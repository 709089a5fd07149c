//! Transport encodings: gzip, base64 in both alphabets, forms, texts that are nearly UTF-8.

use std::borrow::Cow;
use std::io::Read as _;

use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use crate::{Unreadable, WireLimits};

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// The standard alphabet, padded or not.
pub(crate) const LENIENT_BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const LENIENT_URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Whether these bytes begin like gzip. Some clients send it without saying so.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// Unpacks at most one byte more than the limit, so that a bomb costs no more than that.
pub(crate) fn gunzip(packed: &[u8], limits: &WireLimits) -> Result<Bytes, Unreadable> {
    let max = limits.unpacked_bytes_max;
    let mut unpacked = Vec::with_capacity((packed.len() * 4).min(max));
    let read = MultiGzDecoder::new(packed).take(max as u64 + 1).read_to_end(&mut unpacked);
    if unpacked.len() > max {
        return Err(Unreadable::too_large("gateway.unpacked_bytes_max", max));
    }
    match read {
        Ok(_) => Ok(unpacked.into()),
        Err(e) => Err(Unreadable::new("gzip_invalid", format!("the body is no complete gzip stream: {e}"))),
    }
}

/// Takes gzip off, whether the head says so or only the bytes do.
///
/// # Errors
/// The stream is broken, or larger than `unpacked_bytes_max`.
pub fn plain(body: Bytes, says_gzip: bool, limits: &WireLimits) -> Result<Bytes, Unreadable> {
    if says_gzip || is_gzip(&body) { gunzip(&body, limits) } else { Ok(body) }
}

/// Base64 of either alphabet, padded or not, with spaces where a form turned `+` into them.
pub(crate) fn base64(text: &[u8]) -> Result<Vec<u8>, Unreadable> {
    use base64::Engine as _;
    let is_url_safe = memchr::memchr2(b'-', b'_', text).is_some();
    let engine = if is_url_safe { &LENIENT_URL_SAFE } else { &LENIENT_BASE64 };
    let decoded = engine.decode(text).or_else(|wrong| {
        if !text.iter().any(u8::is_ascii_whitespace) {
            return Err(wrong);
        }
        let spaced = text.trim_ascii().iter().filter(|b| !matches!(b, b'\r' | b'\n' | b'\t'));
        engine.decode(spaced.map(|b| if *b == b' ' { b'+' } else { *b }).collect::<Vec<u8>>())
    });
    decoded.map_err(|e| Unreadable::new("base64_invalid", format!("the data is no base64: {e}")))
}

/// What a form carries in the first field of one of these names: JSON as it is, or in base64,
/// perhaps with gzip inside.
///
/// # Errors
/// There is no such field, or it holds nothing of that kind.
pub(crate) fn form_data(form: &[u8], names: &[&str], limits: &WireLimits) -> Result<Bytes, Unreadable> {
    let mut rest = form;
    loop {
        let end = memchr::memchr(b'&', rest).unwrap_or(rest.len());
        let field = &rest[..end];
        let (name, value) = field.split_at(memchr::memchr(b'=', field).unwrap_or(end));
        if names.iter().any(|known| known.as_bytes() == name) {
            return unpacked(field, value.get(1..).unwrap_or_default(), limits);
        }
        rest = rest.get(end + 1..).ok_or_else(|| {
            Unreadable::malformed(format!("there is no {} in the form", names.join(" and no ")))
        })?;
    }
}

fn unpacked(field: &[u8], value: &[u8], limits: &WireLimits) -> Result<Bytes, Unreadable> {
    const JSON_STARTS: [&[u8]; 6] = [b"{", b"[", b"%7B", b"%5B", b"%7b", b"%5b"];
    if JSON_STARTS.iter().any(|start| value.starts_with(start)) {
        let decoded = form_urlencoded::parse(field).next().map(|(_name, json)| json.into_owned());
        return Ok(decoded.unwrap_or_default().into());
    }
    // A plus sign stays what it is: base64 has it, and no client writes a space into it.
    let decoded = base64(&without_percents(value))?;
    if is_gzip(&decoded) { gunzip(&decoded, limits) } else { Ok(decoded.into()) }
}

fn without_percents(value: &[u8]) -> Cow<'_, [u8]> {
    let mut plain = Vec::new();
    let mut copied = 0;
    for at in memchr::memchr_iter(b'%', value) {
        let digit = |at: usize| char::from(*value.get(at)?).to_digit(16);
        if let (Some(high), Some(low)) = (digit(at + 1), digit(at + 2))
            && at >= copied
        {
            plain.reserve(value.len() - plain.len());
            plain.extend_from_slice(&value[copied..at]);
            plain.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits are a byte"));
            copied = at + 3;
        }
    }
    if copied == 0 {
        return value.into();
    }
    plain.extend_from_slice(&value[copied..]);
    plain.into()
}

/// The first value of a form's field, decoded; none if there is no such field.
pub(crate) fn form_value<'b>(form: &'b [u8], name: &str) -> Option<Cow<'b, str>> {
    form_urlencoded::parse(form).find(|(key, _)| key == name).map(|(_, value)| value)
}

/// The body as text.
pub(crate) fn utf8(body: &[u8]) -> Result<&str, Unreadable> {
    std::str::from_utf8(body).map_err(|e| {
        let at = e.valid_up_to();
        Unreadable::malformed(format!("the body is not UTF-8: the first wrong byte is at offset {at}"))
    })
}

/// Text that is nearly UTF-8, made whole. Some clients encode each half of a surrogate pair by
/// itself (CESU-8): two halves that belong together become their character. A half alone, and any
/// other bytes that are no text, become the JSON escape of a half, which admission replaces with a
/// warning to that one event. So the bytes must be JSON, in which such bytes stand only in texts.
///
/// # Errors
/// The result is larger than the limit.
pub(crate) fn mended(bytes: Bytes, limits: &WireLimits) -> Result<Bytes, Unreadable> {
    let max = limits.unpacked_bytes_max;
    let Err(first) = std::str::from_utf8(&bytes) else { return Ok(bytes) };
    let mut text = Vec::with_capacity(bytes.len());
    let (mut rest, mut error) = (&bytes[..], Some(first));
    while let Some(wrong) = error {
        let (good, bad) = rest.split_at(wrong.valid_up_to());
        text.extend_from_slice(good);
        let width = mend(bad, wrong.error_len().unwrap_or(bad.len()), &mut text);
        rest = &bad[width..];
        error = std::str::from_utf8(rest).err();
        if text.len() > max {
            return Err(Unreadable::too_large("gateway.unpacked_bytes_max", max));
        }
    }
    text.extend_from_slice(rest);
    Ok(text.into())
}

/// Mends what these bytes begin with, and says how many of them that were.
fn mend(bad: &[u8], wrong_bytes: usize, text: &mut Vec<u8>) -> usize {
    let half = |at: usize| match bad.get(at..at + 3) {
        Some(&[0xED, b @ 0xA0..=0xBF, c @ 0x80..=0xBF]) => {
            Some(0xD000 | u16::from(b & 0x3F) << 6 | u16::from(c & 0x3F))
        }
        _ => None,
    };
    let pair = [half(0), half(3)].map(Option::unwrap_or_default);
    if let Some(Ok(whole)) = char::decode_utf16(pair).next()
        && pair[0] != 0
    {
        text.extend_from_slice(whole.encode_utf8(&mut [0; 4]).as_bytes());
        return 6;
    }
    let (code, width) = half(0).map_or((0xDC00, wrong_bytes), |code| (code, 3));
    text.extend_from_slice(format!("\\u{code:04x}").as_bytes());
    width
}

//! JSON to typed values, with errors that name the entry.

use std::borrow::Cow;
use std::io::Read as _;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use crate::{Error, Result};

/// The most that a file may unpack to, so that a few kilobytes cannot fill the memory: this, or so many times its size.
const MAX_UNPACKED_BYTES: u64 = 64 << 20;
const MAX_GZIP_RATIO: u64 = 30;

/// What a file says of itself.
pub(super) trait Format {
    fn format(&self) -> &str;
}

/// The value in `bytes`, JSON or gzipped JSON, whose key `format` is one of `formats`, the newest first.
pub(super) fn parse<T: DeserializeOwned + Format>(bytes: &[u8], formats: &[&str]) -> Result<T> {
    let bytes = unpack(bytes)?;
    let bytes = object(&bytes)?;
    let error = match serde_json::from_slice::<T>(bytes) {
        Ok(value) => {
            check_format(value.format(), formats)?;
            return Ok(value);
        }
        Err(error) => error,
    };
    // Another format is told as such, not as the first key in which it differs.
    #[derive(Deserialize)]
    struct Head {
        format: String,
    }
    if let Ok(head) = serde_json::from_slice::<Head>(bytes) {
        check_format(&head.format, formats)?;
    }
    // Keeping track of the path costs time, so it is only done where there is something to name.
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(located) => Err(named(bytes, &located)),
        // The value is sound; what follows it is not.
        Ok(_) => Err(Error::invalid("file", error.to_string())),
    }
}

/// The content without the mark that some writers put first, where it is an object as far as its first character tells:
/// the parser would take a list for the values of an object.
fn object(bytes: &[u8]) -> Result<&[u8]> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => Ok(bytes),
        Some(_) => Err(Error::invalid("file", "must be a JSON object")),
        None => Err(Error::invalid("file", "is empty")),
    }
}

fn check_format(found: &str, expected: &[&str]) -> Result<()> {
    if expected.contains(&found) {
        return Ok(());
    }
    let expected: Vec<String> = expected.iter().map(|format| format!("{format:?}")).collect();
    Err(Error::invalid("format", format!("is {found:?} where {} is expected", expected.join(" or "))))
}

fn unpack(bytes: &[u8]) -> Result<Cow<'_, [u8]>> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    if !bytes.starts_with(&GZIP) {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut content = Vec::new();
    let limit = MAX_UNPACKED_BYTES.max(MAX_GZIP_RATIO * bytes.len() as u64);
    let mut decoder = flate2::read::MultiGzDecoder::new(bytes).take(limit + 1);
    match decoder.read_to_end(&mut content) {
        Err(error) => Err(Error::invalid("file", format!("is not sound gzip: {error}"))),
        Ok(length) if length as u64 > limit => {
            Err(Error::invalid("file", format!("unpacks to more than {MAX_GZIP_RATIO} times its own size")))
        }
        Ok(_) => Ok(Cow::Owned(content)),
    }
}

fn named(bytes: &[u8], error: &serde_path_to_error::Error<serde_json::Error>) -> Error {
    let path = error.path().to_string();
    // "." is the whole and "?" a place without a name.
    let path = path.trim_end_matches(".?");
    let entry = if matches!(path, "." | "?" | "") { "file" } else { path };
    let message = match token(bytes, error.inner().line(), error.inner().column()) {
        Some(token) => format!("must be a finite number, got {token}"),
        None => error.inner().to_string(),
    };
    // The parser speaks Rust.
    let message = message
        .replace("expected f64", "expected a number")
        .replace("expected u32", "expected an integer from 0 to 4294967295");
    Error::invalid(entry, message)
}

/// The token at a place that some writers emit and JSON does not have.
fn token(bytes: &[u8], line: usize, column: usize) -> Option<&'static str> {
    let line = bytes.split(|&byte| byte == b'\n').nth(line.checked_sub(1)?)?;
    // The parser may have read into the token before it gave up.
    (column.saturating_sub(3)..=column).find_map(|start| {
        let rest = line.get(start..)?;
        ["NaN", "-Infinity", "Infinity"].into_iter().find(|token| rest.starts_with(token.as_bytes()))
    })
}

/// A limit: null means that there is none. The key must be there.
pub(super) fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::INFINITY))
}

/// A value or null. The key must be there, which serde does not ask of an `Option` otherwise.
pub(super) fn nullable<'de, D, T>(deserializer: D) -> std::result::Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

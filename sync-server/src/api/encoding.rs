//! Compression of whole bodies: which encoding a client accepts, and the bytes in it.
//!
//! Bodies are complete before they are sent, so they are compressed in one go; hints are no bodies of this kind and
//! leave at once.

use std::io::Write as _;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, HeaderValue};

/// Smaller bodies fit the same packet either way.
pub(super) const COMPRESSED_BYTES_MIN: usize = 1024;
/// Of every encoding alike: most of the gain for little of the time.
const LEVEL: u8 = 4;
/// Larger bodies are compressed where they hold up nobody else.
const AT_ONCE_BYTES_MAX: usize = 32 << 10;
const BROTLI_WINDOW_BITS: u32 = 22;
const BROTLI_BUFFER_BYTES: usize = 4096;

/// How a body may be compressed. In order of preference, if the client has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Brotli.
    Brotli,
    /// Zstandard.
    Zstd,
    /// Gzip.
    Gzip,
}

impl Encoding {
    pub(super) const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// Its name in headers.
    const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    pub(super) const fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// What the client likes best, unless it likes plain bytes better or names nothing that we have.
    pub(super) fn accepted(headers: &HeaderMap) -> Option<Self> {
        Self::accepted_among(headers, |_| true)
    }

    /// As [`Self::accepted`], where not all of them are there.
    pub(super) fn accepted_among(headers: &HeaderMap, is_there: impl Fn(Self) -> bool) -> Option<Self> {
        // Most scripts send none: nothing is parsed for them.
        headers.get(ACCEPT_ENCODING)?;
        let wanted: Vec<(&str, u16)> = headers
            .get_all(ACCEPT_ENCODING)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(weighted)
            .collect();
        let named = |name: &str| wanted.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, q)| *q);
        let any = named("*").unwrap_or(0);
        let weigh = |encoding: &Self| named(encoding.name()).unwrap_or(any);
        // The last of equals is taken, hence from behind.
        let best = Self::ALL.into_iter().rev().filter(|encoding| is_there(*encoding)).max_by_key(weigh)?;
        let weight = weigh(&best);
        (weight > 0 && weight >= named("identity").unwrap_or(0)).then_some(best)
    }
}

/// `br;q=0.8` -> a name and thousandths.
fn weighted(item: &str) -> Option<(&str, u16)> {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let Some(quality) = quality else { return Some((name, 1000)) };
    let quality: f32 = quality.trim().parse().ok().filter(|quality| (0.0..=1.0).contains(quality))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000, as just checked")]
    Some((name, (quality * 1000.0) as u16))
}

/// The body in this encoding; `None` if that is no smaller, or there is no room for it.
pub(super) async fn compress(encoding: Encoding, body: Bytes) -> Option<Bytes> {
    if body.len() <= AT_ONCE_BYTES_MAX {
        return compress_now(encoding, &body);
    }
    tokio::task::spawn_blocking(move || compress_now(encoding, &body)).await.ok().flatten()
}

fn compress_now(encoding: Encoding, body: &[u8]) -> Option<Bytes> {
    let out = Vec::with_capacity(body.len() / 3);
    let compressed = match encoding {
        Encoding::Brotli => {
            let mut writer = brotli::CompressorWriter::new(out, BROTLI_BUFFER_BYTES, LEVEL.into(), BROTLI_WINDOW_BITS);
            writer.write_all(body).ok()?;
            writer.into_inner()
        }
        Encoding::Zstd => zstd::bulk::compress(body, LEVEL.into()).ok()?,
        Encoding::Gzip => {
            let mut writer = flate2::write::GzEncoder::new(out, flate2::Compression::new(LEVEL.into()));
            writer.write_all(body).ok()?;
            writer.finish().ok()?
        }
    };
    (compressed.len() < body.len()).then(|| Bytes::from(compressed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(accepted: &str, expected: Option<Encoding>) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, accepted.parse().unwrap());
        assert_eq!(Encoding::accepted(&headers), expected, "{accepted}");
    }

    #[test]
    fn the_client_decides_and_we_prefer_among_equals() {
        check("gzip, deflate, br, zstd", Some(Encoding::Brotli));
        check("gzip, zstd", Some(Encoding::Zstd));
        check("br;q=0.5, GZIP;q=0.8", Some(Encoding::Gzip));
        check("*", Some(Encoding::Brotli));
        check("br;q=0, *;q=0.1", Some(Encoding::Zstd));
        check("identity, gzip;q=0.5", None);
        check("identity;q=0.5, gzip", Some(Encoding::Gzip));
    }

    #[test]
    fn of_what_is_there_the_client_decides() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, "gzip, zstd, br".parse().unwrap());
        for there in Encoding::ALL {
            assert_eq!(Encoding::accepted_among(&headers, |encoding| encoding == there), Some(there));
        }
        assert_eq!(Encoding::accepted_among(&headers, |_| false), None);
    }

    #[test]
    fn what_we_do_not_have_or_cannot_read_is_not_accepted() {
        for accepted in ["", "deflate", "gzip;q=0", "gzip;q=2", "gzip;q=x", ";;", "*;q=0"] {
            check(accepted, None);
        }
        assert_eq!(Encoding::accepted(&HeaderMap::new()), None);
    }

    #[test]
    fn what_does_not_get_smaller_stays_plain() {
        for encoding in Encoding::ALL {
            assert_eq!(compress_now(encoding, b"{}"), None);
            assert!(compress_now(encoding, &[b' '; 5000]).is_some_and(|compressed| compressed.len() < 200));
        }
    }
}

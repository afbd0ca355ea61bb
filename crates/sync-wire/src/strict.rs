//! The CBOR we accept: definite lengths only, nesting bounded, every declared length within what is there.
//!
//! It walks the bytes once before anything is decoded, so that no decoder ever allocates for a length that a peer
//! merely claims (RFC 8949 §5.1 leaves such limits to the application).

use crate::limits::CBOR_DEPTH_MAX;

/// What is wrong with the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Truncated,
    TooDeep,
    Indefinite,
    Reserved,
    Trailing,
}

/// Accepts `bytes` if they are exactly one item of the CBOR we accept.
pub(crate) fn check(bytes: &[u8]) -> Result<(), Fault> {
    let mut reader = Reader { rest: bytes };
    reader.item(0)?;
    if reader.rest.is_empty() { Ok(()) } else { Err(Fault::Trailing) }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn item(&mut self, depth: usize) -> Result<(), Fault> {
        if depth > CBOR_DEPTH_MAX {
            return Err(Fault::TooDeep);
        }
        let (major, argument) = self.head()?;
        match major {
            0 | 1 | 7 => Ok(()),
            2 | 3 => self.skip(argument),
            4 => self.items(argument, depth),
            5 => self.items(argument.checked_mul(2).ok_or(Fault::Truncated)?, depth),
            // Tags mean nothing to us, but an unknown key may carry them.
            _ => self.item(depth + 1),
        }
    }

    fn items(&mut self, count: u64, depth: usize) -> Result<(), Fault> {
        // Each item takes a byte at least.
        if count > self.rest.len() as u64 {
            return Err(Fault::Truncated);
        }
        (0..count).try_for_each(|_| self.item(depth + 1))
    }

    fn head(&mut self) -> Result<(u8, u64), Fault> {
        let (&first, rest) = self.rest.split_first().ok_or(Fault::Truncated)?;
        self.rest = rest;
        let argument = match first & 0x1f {
            small @ 0..=23 => u64::from(small),
            size @ 24..=27 => self.uint(1 << (size - 24))?,
            28..=30 => return Err(Fault::Reserved),
            _ => return Err(Fault::Indefinite),
        };
        Ok((first >> 5, argument))
    }

    fn uint(&mut self, len: usize) -> Result<u64, Fault> {
        let (number, rest) = self.rest.split_at_checked(len).ok_or(Fault::Truncated)?;
        self.rest = rest;
        Ok(number.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    fn skip(&mut self, len: u64) -> Result<(), Fault> {
        let len = usize::try_from(len).map_err(|_| Fault::Truncated)?;
        self.rest = self.rest.get(len..).ok_or(Fault::Truncated)?;
        Ok(())
    }
}

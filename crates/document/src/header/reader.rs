//! A cursor over bytes, and the numbers that Automerge writes (LEB128, shortest form only).

use super::Fault;

/// Reads forward; never beyond the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    fn byte(&mut self, part: &'static str) -> Result<u8, Fault> {
        let (first, rest) = self.rest.split_first().ok_or(Fault::Truncated(part))?;
        self.rest = rest;
        Ok(*first)
    }

    #[inline]
    pub(crate) fn take(&mut self, count: usize, part: &'static str) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Fault::Truncated(part))?;
        self.rest = rest;
        Ok(taken)
    }

    /// An unsigned number. Longer forms than needed are refused: one number has one spelling, so one change one hash.
    #[inline]
    pub(crate) fn uleb(&mut self, part: &'static str) -> Result<u64, Fault> {
        let first = self.byte(part)?;
        if first < 0x80 { Ok(u64::from(first)) } else { self.uleb_rest(first, part) }
    }

    fn uleb_rest(&mut self, first: u8, part: &'static str) -> Result<u64, Fault> {
        let mut number = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let byte = self.byte(part)?;
            if shift == 63 && byte > 1 {
                return Err(Fault::Number(part));
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if byte == 0 { Err(Fault::Number(part)) } else { Ok(number) };
            }
        }
        Err(Fault::Number(part))
    }

    /// A signed number, shortest form only.
    #[inline]
    pub(crate) fn sleb(&mut self, part: &'static str) -> Result<i64, Fault> {
        let mut number = 0_i64;
        let mut previous = 0_u8;
        for shift in (0..70).step_by(7) {
            let byte = self.byte(part)?;
            if shift == 63 && byte != 0 && byte != 0x7f {
                return Err(Fault::Number(part));
            }
            number |= i64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                let needless = match byte {
                    0 => previous & 0x40 == 0,
                    0x7f => previous & 0x40 != 0,
                    _ => false,
                };
                if shift > 0 && needless {
                    return Err(Fault::Number(part));
                }
                if shift < 63 && byte & 0x40 != 0 {
                    number |= -1 << (shift + 7);
                }
                return Ok(number);
            }
            previous = byte;
        }
        Err(Fault::Number(part))
    }
}

/// Appends `number` in its shortest form.
pub(crate) fn put_uleb(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number as u8) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2 to the 64th.
    const OVER_64_BITS: [u8; 10] = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02];

    fn put_sleb(out: &mut Vec<u8>, mut number: i64) {
        loop {
            let byte = (number & 0x7f) as u8;
            number >>= 7;
            if (number == 0 && byte & 0x40 == 0) || (number == -1 && byte & 0x40 != 0) {
                out.push(byte);
                return;
            }
            out.push(byte | 0x80);
        }
    }

    #[test]
    fn numbers_read_back_as_they_were_written() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put_uleb(&mut bytes, number);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.uleb("x"), Ok(number));
            assert!(reader.is_empty());
        }
        for number in [0, 1, -1, 63, 64, -64, -65, 1 << 55, 1 << 56, -(1 << 56), 1 << 62, i64::MAX, i64::MIN] {
            let mut bytes = Vec::new();
            put_sleb(&mut bytes, number);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.sleb("x"), Ok(number), "{bytes:02x?}");
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn a_number_has_one_spelling_only() {
        for bytes in [&[0x80, 0x00][..], &[0x81, 0x00], &[0xff, 0x80, 0x00], &[0xff; 11], &OVER_64_BITS] {
            assert_eq!(Reader::new(bytes).uleb("x"), Err(Fault::Number("x")), "{bytes:02x?}");
        }
        for bytes in [&[0x80, 0x00][..], &[0xff, 0x7f], &[0xc0, 0x7f], &[0xff; 11]] {
            assert_eq!(Reader::new(bytes).sleb("x"), Err(Fault::Number("x")), "{bytes:02x?}");
        }
        assert_eq!(Reader::new(&[0x80]).uleb("x"), Err(Fault::Truncated("x")));
        assert_eq!(Reader::new(&[]).sleb("x"), Err(Fault::Truncated("x")));
    }
}

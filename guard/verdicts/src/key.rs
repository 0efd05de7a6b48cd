//! What a verdict is about, hashed: a table of a million entries holds no names.

use std::hash::Hasher;
use std::net::IpAddr;

use siphasher::sip128::{Hasher128, SipHasher13};

pub use crate::wire::Kind;

/// 128 bits under a secret seed; nobody outside can make two keys meet.
pub(crate) type Hash = (u64, u64);

/// Bytes of the longest key.
pub const LONGEST_KEY: usize = 1024;

/// One thing a request can be known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// Anything that is compared byte by byte; of kind `Address` it is read as an address.
    Named(Kind, &'a str),
    /// An address.
    Address(IpAddr),
}

impl Key<'_> {
    /// The address it is, if it is a single one.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Named(Kind::Address, text) => text.parse().ok(),
            Self::Named(..) => None,
        }
    }
}

/// The seeds of one table, chosen at random by whoever makes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeds(pub [u64; 2]);

impl Seeds {
    pub(crate) fn named(self, kind: Kind, name: &str) -> Hash {
        let mut hasher = SipHasher13::new_with_keys(self.0[0], self.0[1]);
        hasher.write_u8(kind as u8);
        hasher.write(name.as_bytes());
        let made = hasher.finish128();
        (made.h1, made.h2)
    }

    pub(crate) fn range(self, range: Range) -> Hash {
        let mut hasher = SipHasher13::new_with_keys(self.0[0], self.0[1]);
        hasher.write_u8(Kind::Address as u8);
        hasher.write_u8(u8::from(range.v6));
        hasher.write_u8(range.length);
        hasher.write(&range.bits.to_be_bytes());
        let made = hasher.finish128();
        (made.h1, made.h2)
    }
}

/// A range of addresses; bits beyond `length` are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub v6: bool,
    /// The address, left-aligned in 128 bits.
    pub bits: u128,
    pub length: u8,
}

impl Range {
    /// `192.0.2.7` or `2001:db8::/32`; None when it is neither, or has bits beyond its length.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
                (address, Some(length.parse::<u8>().ok()?))
            }
            Some(_) => return None,
            None => (text, None),
        };
        let whole = Self::of(address.parse().ok()?);
        let made = whole.to(length.unwrap_or(whole.length))?;
        (made.bits == whole.bits).then_some(made)
    }

    /// One address; an IPv4 address written as IPv6 is the IPv4 address.
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(one) => Self {
                v6: false,
                bits: u128::from(u32::from(one)) << 96,
                length: 32,
            },
            IpAddr::V6(one) => Self {
                v6: true,
                bits: u128::from(one),
                length: 128,
            },
        }
    }

    /// The range of `length` bits around this one; None when it is longer than this one.
    pub(crate) fn to(self, length: u8) -> Option<Self> {
        if length > self.length {
            return None;
        }
        let mask = if length == 0 {
            0
        } else {
            u128::MAX << (128 - u32::from(length))
        };
        Some(Self {
            bits: self.bits & mask,
            length,
            ..self
        })
    }

    pub(crate) fn holds(self, other: Self) -> bool {
        self.v6 == other.v6
            && other
                .to(self.length)
                .is_some_and(|cut| cut.bits == self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_what_it_says_or_nothing() {
        let small = Range::parse("192.0.2.0/24").unwrap();
        assert!(small.holds(Range::parse("192.0.2.7").unwrap()));
        assert!(!small.holds(Range::parse("192.0.3.7").unwrap()));
        assert!(!small.holds(Range::parse("2001:db8::1").unwrap()));
        assert!(
            Range::parse("0.0.0.0/0")
                .unwrap()
                .holds(Range::parse("9.9.9.9").unwrap())
        );
        assert!(
            Range::parse("2001:db8::/32")
                .unwrap()
                .holds(Range::parse("2001:db8:1::").unwrap())
        );
        for wrong in [
            "",
            "x",
            "192.0.2.7/24",
            "192.0.2.0/33",
            "192.0.2.0/+24",
            "2001:db8::/129",
            "192.0.2.0/",
        ] {
            assert_eq!(Range::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_address_in_two_spellings_is_one() {
        let plain = Range::of("192.0.2.7".parse().unwrap());
        assert_eq!(Range::of("::ffff:192.0.2.7".parse().unwrap()), plain);
    }
}

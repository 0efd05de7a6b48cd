//! libinjection's table of words and fingerprints, to be asked fast.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::sync::LazyLock;

use libinjectionrs::sqli::sqli_data::{Keyword, SQL_KEYWORDS};

/// Longer words are not looked up.
const LONGEST: usize = 31;

#[derive(Default)]
pub(super) struct Fnv(u64);

impl std::hash::Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

pub(super) type Build = BuildHasherDefault<Fnv>;

/// Words by their kinds, words that others begin with, and fingerprints.
pub(super) struct Table {
    pub kinds: HashMap<&'static [u8], u8, Build>,
    first: HashSet<&'static [u8], Build>,
    pub prints: HashSet<&'static [u8], Build>,
}

pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let print = |known: &&Keyword| known.token_type == b'F';
    let words = SQL_KEYWORDS.iter().filter(|known| !print(known));
    let kinds: HashMap<&[u8], u8, Build> = words
        .map(|known| (known.word.as_bytes(), known.token_type))
        .collect();
    let first = kinds.keys().filter_map(|word| {
        let end = memchr::memchr(b' ', word)?;
        Some(&word[..end])
    });
    Table {
        first: first.collect(),
        prints: SQL_KEYWORDS
            .iter()
            .filter(print)
            .map(|known| known.word.as_bytes())
            .collect(),
        kinds,
    }
});

/// A word in capitals.
#[derive(Default)]
pub(super) struct Capitals {
    pub bytes: [u8; LONGEST],
    pub length: usize,
}

impl Capitals {
    pub fn of(parts: &[&[u8]]) -> Option<Self> {
        let mut found = Self {
            bytes: [0; LONGEST],
            length: 0,
        };
        for byte in parts.iter().copied().flatten() {
            *found.bytes.get_mut(found.length)? = byte.to_ascii_uppercase();
            found.length += 1;
        }
        Some(found)
    }

    pub fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Table {
    /// Whether two words together are another word.
    pub fn joins(&self, one: &[u8], other: &[u8]) -> bool {
        let begins = Capitals::of(&[one]).is_some_and(|word| self.first.contains(word.text()));
        begins
            && Capitals::of(&[one, b" ", other])
                .is_some_and(|both| self.kinds.contains_key(both.text()))
    }

    pub fn kind(&self, word: &[u8]) -> Option<u8> {
        let Some(word) = Capitals::of(&[word]) else {
            return Some(b'n');
        };
        Some(match (self.kinds.get(word.text()), word.text()) {
            (None, _) => b'n',
            (Some(b'A'), _) => return None,
            (Some(_), b"IN") => b'i',
            (Some(_), b"NOT") => b'u',
            (Some(_), b"LIKE") => b'l',
            (Some(kind), _) => *kind,
        })
    }
}

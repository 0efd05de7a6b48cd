//! Sets of bytes.

/// A set of bytes, as 256 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Class(pub [u64; 4]);

impl Class {
    /// Every byte.
    pub const fn full() -> Self {
        Self([u64::MAX; 4])
    }

    /// The bytes that occur in a text.
    pub fn of(bytes: &[u8]) -> Self {
        let mut class = Self::default();
        for byte in bytes {
            class.add(*byte);
        }
        class
    }

    pub fn add(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    pub fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    /// The set and a range of bytes, both ends included.
    pub fn with_range(mut self, first: u8, last: u8) -> Self {
        for byte in first..=last {
            self.add(byte);
        }
        self
    }

    pub fn join(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine |= theirs;
        }
    }

    pub fn not(self) -> Self {
        Self(self.0.map(|word| !word))
    }

    pub fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

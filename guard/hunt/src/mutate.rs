//! Bytes that are almost what they were.

/// Bytes of the longest input.
const LONGEST: usize = 4096;
/// Bytes at which readers tend to have edges.
const EDGES: [u8; 12] = [
    0, 1, b'"', b'%', b'-', b'<', b'=', b'\n', 0x7f, 0x80, 0xfe, 0xff,
];

/// Numbers that look random and come again for the same seed (xorshift64*).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    /// Below `end`; 0 when there is nothing below it.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// One to eight changes of `bytes`; parts of `other` may come in.
pub fn mutate(bytes: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut made = bytes.to_vec();
    for _ in 0..=dice.below(8) {
        let at = dice.below(made.len() + 1);
        let end = (at + dice.below(32)).min(made.len());
        match dice.below(8) {
            0 if at < made.len() => made[at] ^= 1 << dice.below(8),
            1 if at < made.len() => made[at] = EDGES[dice.below(EDGES.len())],
            2 => made.insert(at, dice.byte()),
            3 => drop(made.drain(at..end)),
            4 => made.truncate(at),
            5 => {
                let again = made[at..end].to_vec();
                made.splice(at..at, again);
            }
            6 => {
                let from = dice.below(other.len() + 1);
                let to = (from + dice.below(64)).min(other.len());
                made.splice(at..end, other[from..to].iter().copied());
            }
            _ => {
                let byte = EDGES[dice.below(EDGES.len())];
                made.splice(at..at, std::iter::repeat_n(byte, 1 + dice.below(64)));
            }
        }
        made.truncate(LONGEST);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_bytes_and_others_do_not() {
        let made = |seed| {
            let mut dice = Dice::new(seed);
            (0..50)
                .map(|_| mutate(b"seed", b"other", &mut dice))
                .collect::<Vec<_>>()
        };
        assert_eq!(made(3), made(3));
        assert_ne!(made(3), made(5));
        assert!(made(3).iter().any(|one| one != b"seed"));
    }
}

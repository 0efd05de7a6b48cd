//! The words of many gates in one automaton.
//!
//! It may find too much and never too little: letters match in any case, all
//! digits, all white space and all bytes beyond ASCII are alike, and a word
//! counts as found when its beginning is. For that the rows are short enough
//! for the states that plain text visits to stay in the processor's cache.

/// Kinds of bytes: letters, digits, white space, beyond ASCII, control, each mark of its own.
const KINDS: usize = 64;
/// Beginnings of words that are tried until the states can be numbered in 16 bits.
const PREFIXES: [usize; 4] = [12, 8, 5, 3];
const MOST: usize = 65_000;
/// Texts from this length on are read in lanes, side by side.
const LONG: usize = 1024;
const LANES: usize = 4;

/// The automaton.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    kinds: Vec<u8>,
    rows: Vec<[u16; KINDS]>,
    /// States from this one on are the ends of words.
    first_end: u16,
    /// The gates of each end, as a range of `gates`.
    ends: Vec<(u32, u32)>,
    gates: Vec<u32>,
    /// The longest beginning of a word.
    longest: usize,
}

/// A tree of words while it grows.
struct Tree {
    rows: Vec<[u16; KINDS]>,
    gates: Vec<Vec<u32>>,
}

impl Words {
    /// Words (in lower case, not empty) with the gates each of them opens.
    pub fn build(words: &[(&[u8], Vec<u32>)]) -> Self {
        let kinds: Vec<u8> = (0..=255).map(kind).collect();
        let grown = PREFIXES
            .into_iter()
            .find_map(|most| Tree::grow(words, &kinds, most));
        let Some((tree, longest)) = grown else {
            return Self::everything(kinds, words);
        };
        let mut built = tree.finish();
        built.kinds = kinds;
        built.longest = longest;
        built
    }

    /// More words than can be told apart: every text opens all their gates.
    fn everything(kinds: Vec<u8>, words: &[(&[u8], Vec<u32>)]) -> Self {
        let gates: Vec<u32> = words
            .iter()
            .flat_map(|(_, gates)| gates.iter().copied())
            .collect();
        Self {
            kinds,
            rows: vec![[0; KINDS]],
            first_end: 0,
            ends: vec![(0, gates.len() as u32)],
            gates,
            longest: 1,
        }
    }

    /// Call with the gates of each word's end that a text passes, the same ones perhaps again.
    pub fn find(&self, text: &[u8], mut found: impl FnMut(&[u32])) {
        if text.len() < LONG {
            let mut state = 0u16;
            for byte in text {
                state = self.next(state, *byte);
                if state >= self.first_end {
                    found(self.gates_of(state));
                }
            }
            return;
        }
        self.find_long(text, found);
    }

    /// A long text in lanes: while one waits for its row, the others go on.
    fn find_long(&self, text: &[u8], mut found: impl FnMut(&[u32])) {
        let mut seen = vec![false; self.ends.len()];
        let mut end = |state: u16| {
            let at = usize::from(state - self.first_end);
            if !seen[at] {
                seen[at] = true;
                found(self.gates_of(state));
            }
        };
        let each = text.len().div_ceil(LANES);
        let lane = |at: usize| {
            let (first, last) = (at * each, (at + 1) * each + self.longest);
            &text[first.min(text.len())..last.min(text.len())]
        };
        let lanes: [&[u8]; LANES] = std::array::from_fn(lane);
        let mut states = [0u16; LANES];
        let shortest = lanes.iter().map(|lane| lane.len()).min().unwrap_or(0);
        let heads: [&[u8]; LANES] = lanes.map(|lane| &lane[..shortest]);
        for at in 0..shortest {
            let mut highest = 0;
            for (state, head) in states.iter_mut().zip(heads) {
                *state = self.next(*state, head[at]);
                highest = highest.max(*state);
            }
            if highest >= self.first_end {
                for state in states.iter().filter(|state| **state >= self.first_end) {
                    end(*state);
                }
            }
        }
        for (mut state, lane) in states.into_iter().zip(lanes) {
            for byte in &lane[shortest..] {
                state = self.next(state, *byte);
                if state >= self.first_end {
                    end(state);
                }
            }
        }
    }

    #[inline]
    fn next(&self, state: u16, byte: u8) -> u16 {
        self.rows[usize::from(state)][usize::from(self.kinds[usize::from(byte)]) % KINDS]
    }

    fn gates_of(&self, state: u16) -> &[u32] {
        let (from, to) = self.ends[usize::from(state - self.first_end)];
        &self.gates[from as usize..to as usize]
    }

    /// Bytes it takes.
    pub fn memory(&self) -> usize {
        self.rows.len() * KINDS * 2 + self.gates.len() * 4
    }
}

fn kind(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => byte - b'a',
        b'A'..=b'Z' => byte - b'A',
        b'0'..=b'9' => 26,
        b' ' | b'\t'..=b'\r' => 27,
        0x80.. => 28,
        b'!'..=b'/' => 29 + byte - b'!',
        b':'..=b'@' => 44 + byte - b':',
        b'['..=b'`' => 51 + byte - b'[',
        b'{'..=b'~' => 57 + byte - b'{',
        _ => 61,
    }
}

impl Tree {
    /// The tree of the words' beginnings, or nothing when it grows too big.
    fn grow(words: &[(&[u8], Vec<u32>)], kinds: &[u8], most: usize) -> Option<(Self, usize)> {
        let mut tree = Self {
            rows: vec![[0; KINDS]],
            gates: vec![Vec::new()],
        };
        let mut longest = 1;
        for (word, gates) in words {
            let word = &word[..word.len().min(most)];
            longest = longest.max(word.len());
            let mut at = 0;
            for byte in word {
                let kind = usize::from(kinds[usize::from(*byte)]);
                if tree.rows[at][kind] == 0 {
                    if tree.rows.len() == MOST {
                        return None;
                    }
                    tree.rows[at][kind] = tree.rows.len() as u16;
                    tree.rows.push([0; KINDS]);
                    tree.gates.push(Vec::new());
                }
                at = usize::from(tree.rows[at][kind]);
            }
            tree.gates[at].extend(gates);
        }
        Some((tree, longest))
    }

    /// Fill in where each state goes on after a byte that is not in the tree (Aho and Corasick).
    fn finish(mut self) -> Words {
        let mut fallback = vec![0u16; self.rows.len()];
        let mut queue = std::collections::VecDeque::from([0u16]);
        while let Some(state) = queue.pop_front() {
            let at = usize::from(state);
            let back = self.rows[usize::from(fallback[at])];
            for (kind, back) in back.into_iter().enumerate() {
                let child = self.rows[at][kind];
                let to = if at == 0 { 0 } else { back };
                if child == 0 {
                    self.rows[at][kind] = to;
                    continue;
                }
                queue.push_back(child);
                fallback[usize::from(child)] = to;
                let more = self.gates[usize::from(to)].clone();
                let gates = &mut self.gates[usize::from(child)];
                gates.extend(more);
                gates.sort_unstable();
                gates.dedup();
            }
        }
        self.number()
    }

    /// Number the states so that the ends of words come last.
    fn number(self) -> Words {
        let count = self.rows.len();
        let mut order: Vec<usize> = (0..count).filter(|at| self.gates[*at].is_empty()).collect();
        let first_end = order.len() as u16;
        order.extend((0..count).filter(|at| !self.gates[*at].is_empty()));
        let mut number = vec![0u16; count];
        for (new, old) in (0u16..).zip(&order) {
            number[*old] = new;
        }
        let row = |old: &usize| self.rows[*old].map(|to| number[usize::from(to)]);
        let mut gates = Vec::new();
        let mut ends = Vec::new();
        for old in &order[usize::from(first_end)..] {
            let from = gates.len() as u32;
            gates.extend(&self.gates[*old]);
            ends.push((from, gates.len() as u32));
        }
        Words {
            rows: order.iter().map(row).collect(),
            first_end,
            ends,
            gates,
            ..Words::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Words;

    fn found(words: &Words, text: &[u8]) -> Vec<u32> {
        let mut all = Vec::new();
        words.find(text, |gates| all.extend(gates));
        all.sort_unstable();
        all.dedup();
        all
    }

    #[test]
    fn more_words_than_states_find_too_much_and_never_too_little() {
        let many: Vec<String> = (0..200_000u32)
            .map(|n| {
                format!("{:x}", n.wrapping_mul(2_654_435_761))
                    .replace(|c: char| c.is_ascii_digit(), "-")
            })
            .collect();
        let words: Vec<(&[u8], Vec<u32>)> =
            many.iter().map(|word| (word.as_bytes(), vec![7])).collect();
        let built = Words::build(&words);
        assert!(found(&built, b"x").len() <= 1);
        for word in many.iter().step_by(1000) {
            assert_eq!(found(&built, word.as_bytes()), [7], "{word}");
        }
    }

    proptest! {
        /// Whatever a plain search finds is found, in short texts and in long ones.
        #[test]
        fn nothing_is_missed(
            words in proptest::collection::vec("[a-c1 <]{1,14}", 1..12),
            text in "[a-cA-C1 <]{0,60}",
            fill in 0usize..1500,
        ) {
            let pairs: Vec<(&[u8], Vec<u32>)> =
                (0u32..).zip(&words).map(|(at, word)| (word.as_bytes(), vec![at])).collect();
            let built = Words::build(&pairs);
            let long = format!("{}{text}{}", "x".repeat(fill), "y".repeat(1500 - fill));
            for text in [&text, &long] {
                let lower = text.to_ascii_lowercase();
                let hits = found(&built, text.as_bytes());
                for (at, word) in (0u32..).zip(&words) {
                    prop_assert!(!lower.contains(word.as_str()) || hits.contains(&at), "{}", word);
                }
            }
        }
    }
}

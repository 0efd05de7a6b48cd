//! gRPC's length-prefixed messages: one byte of flags, four of length, the message.

use std::fmt;

/// Bytes of the longest message that is read or written.
pub const LONGEST_MESSAGE: usize = 1 << 20;
const PREFIX: usize = 5;

/// Why the bytes of a stream make no sense; the stream has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A flag other than "not compressed".
    Compressed,
    /// Longer than [`LONGEST_MESSAGE`].
    TooLong(usize),
}

impl fmt::Display for FrameError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compressed => write!(out, "a message with unknown flags"),
            Self::TooLong(length) => write!(out, "a message of {length} bytes, more than 1 MiB"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Cuts a stream of bytes into messages. Holds at most one message and its prefix.
#[derive(Debug, Default)]
pub struct Frames {
    held: Vec<u8>,
}

impl Frames {
    /// Nothing was read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads `bytes` and hands each message that is complete to `each`; stops at its first error.
    pub fn push<E: From<FrameError>>(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            let wanted = self.wanted()?;
            let taken = (wanted - self.held.len()).min(bytes.len());
            self.held.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.held.len() >= PREFIX && self.held.len() == self.wanted()? {
                each(&self.held[PREFIX..])?;
                self.held.clear();
            }
        }
        Ok(())
    }

    /// How many bytes the current message has in all, as far as that is known.
    fn wanted(&self) -> Result<usize, FrameError> {
        if self.held.len() < PREFIX {
            return Ok(PREFIX);
        }
        if self.held[0] != 0 {
            return Err(FrameError::Compressed);
        }
        let length = u32::from_be_bytes([self.held[1], self.held[2], self.held[3], self.held[4]]);
        let length = length as usize;
        if length > LONGEST_MESSAGE {
            return Err(FrameError::TooLong(length));
        }
        Ok(PREFIX + length)
    }
}

/// `message` with its prefix.
#[must_use]
pub fn frame(message: &impl prost::Message) -> Vec<u8> {
    let length = message.encoded_len();
    let mut made = Vec::with_capacity(PREFIX + length);
    made.push(0);
    made.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    message.encode_raw(&mut made);
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Heartbeat, ToGuard, Told};
    use proptest::prelude::*;

    fn heartbeat(seq: u64) -> ToGuard {
        ToGuard {
            kind: Some(Told::Heartbeat(Heartbeat { seq, time_ms: 7 })),
        }
    }

    proptest! {
        #[test]
        fn messages_come_whole_however_the_bytes_are_cut(
            seqs in prop::collection::vec(any::<u64>(), 0..9),
            cuts in prop::collection::vec(1usize..9, 1..40),
        ) {
            let bytes: Vec<u8> = seqs.iter().flat_map(|seq| frame(&heartbeat(*seq))).collect();
            let mut frames = Frames::new();
            let mut got = Vec::new();
            let (mut at, mut turn) = (0, 0);
            while at < bytes.len() {
                let end = (at + cuts[turn % cuts.len()]).min(bytes.len());
                frames.push::<FrameError>(&bytes[at..end], |one| {
                    got.push(one.to_vec());
                    Ok(())
                }).unwrap();
                (at, turn) = (end, turn + 1);
            }
            let wanted: Vec<Vec<u8>> =
                seqs.iter().map(|seq| prost::Message::encode_to_vec(&heartbeat(*seq))).collect();
            prop_assert_eq!(got, wanted);
        }

        #[test]
        fn garbage_ends_the_stream_or_waits(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
            let mut frames = Frames::new();
            let _ = frames.push::<FrameError>(&bytes, |_| Ok(()));
            prop_assert!(frames.held.len() <= PREFIX + LONGEST_MESSAGE);
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_refused_at_its_prefix() {
        let refused = Frames::new().push::<FrameError>(&[0, 0, 16, 0, 1], |_| Ok(()));
        assert_eq!(refused, Err(FrameError::TooLong((1 << 20) + 1)));
    }
}

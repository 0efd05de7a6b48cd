//! Where WebSocket frames end (RFC 6455, section 5.2): a close frame may stand only there.

/// Follows the frames of one direction.
#[derive(Debug, Default)]
pub(crate) struct FrameTracker {
    /// Bytes of the current frame's payload (and mask) that are still to come.
    left: u64,
    /// The beginning of a header that is not complete yet.
    head: Vec<u8>,
}

impl FrameTracker {
    /// Whether the next byte begins a frame.
    pub(crate) fn at_boundary(&self) -> bool {
        self.left == 0 && self.head.is_empty()
    }

    /// Reads `bytes`; says after how many of them a frame ended first, if one did.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut first = None;
        let mut at = 0;
        while at < bytes.len() {
            if self.left > 0 {
                let taken = usize::try_from(self.left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len() - at);
                self.left -= taken as u64;
                at += taken;
            } else {
                self.head.push(bytes[at]);
                at += 1;
                if let Some(length) = rest_after(&self.head) {
                    self.left = length;
                    self.head.clear();
                }
            }
            if self.at_boundary() {
                first = first.or(Some(at));
            }
        }
        first
    }
}

/// Bytes that follow a complete header, the mask included; None while it is not complete.
fn rest_after(head: &[u8]) -> Option<u64> {
    let second = *head.get(1)?;
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    match second & 0x7f {
        126 => {
            let length: [u8; 2] = head.get(2..4)?.try_into().ok()?;
            Some(u64::from(u16::from_be_bytes(length)) + mask)
        }
        127 => {
            let length: [u8; 8] = head.get(2..10)?.try_into().ok()?;
            Some(u64::from_be_bytes(length).saturating_add(mask))
        }
        short => Some(u64::from(short) + mask),
    }
}

/// A close frame that says why.
pub(crate) fn close_frame(code: u16, why: &str) -> Vec<u8> {
    let why = &why.as_bytes()[..why.len().min(123)];
    let length = u8::try_from(why.len() + 2).unwrap_or(125);
    let mut made = vec![0x88, length];
    made.extend_from_slice(&code.to_be_bytes());
    made.extend_from_slice(why);
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: usize) -> Vec<u8> {
        let mut made = vec![0x82];
        match length {
            0..=125 => made.push(u8::try_from(length).unwrap()),
            126..=65535 => {
                made.push(126);
                made.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                made.push(127);
                made.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        made.resize(made.len() + length, 7);
        made
    }

    #[test]
    fn frames_end_where_they_end_however_the_bytes_come() {
        let lengths = [0, 1, 125, 126, 300, 65_535, 65_536, 5];
        let bytes: Vec<u8> = lengths.iter().flat_map(|one| frame(*one)).collect();
        for step in [1, 2, 3, 7, 1000, bytes.len()] {
            let mut tracker = FrameTracker::default();
            let mut ends = 0;
            for piece in bytes.chunks(step) {
                let mut rest = piece;
                while let Some(end) = FrameTracker::read_first(&mut tracker, &mut rest) {
                    ends += usize::from(end);
                }
            }
            assert_eq!(ends, lengths.len());
            assert!(tracker.at_boundary());
        }
    }

    impl FrameTracker {
        /// One byte at a time: whether a frame ended with it.
        fn read_first(tracker: &mut Self, rest: &mut &[u8]) -> Option<bool> {
            let (one, others) = rest.split_first()?;
            *rest = others;
            Some(tracker.read(&[*one]).is_some())
        }
    }

    #[test]
    fn the_first_end_within_a_piece_is_told() {
        let mut tracker = FrameTracker::default();
        let mut bytes = frame(3);
        bytes.extend(frame(9));
        assert_eq!(tracker.read(&bytes[..9]), Some(5));
        assert!(!tracker.at_boundary());
        assert_eq!(tracker.read(&bytes[9..]), Some(7));
    }

    #[test]
    fn a_close_frame_says_its_code_and_is_short() {
        assert_eq!(close_frame(1008, "revoked")[..4], [0x88, 9, 0x03, 0xf0]);
        assert_eq!(close_frame(1013, &"x".repeat(500)).len(), 127);
    }
}

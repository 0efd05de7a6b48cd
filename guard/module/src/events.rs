//! Where server-sent events end: a last event may stand only there, or it would become part of another.

/// Follows a stream of events.
#[derive(Debug)]
pub(crate) struct EventTracker {
    /// The current line is empty so far.
    line_is_empty: bool,
    /// The line before it was empty, or there was none.
    between: bool,
    /// The last byte was a carriage return: a line feed belongs to it.
    after_return: bool,
}

impl Default for EventTracker {
    fn default() -> Self {
        Self {
            line_is_empty: true,
            between: true,
            after_return: false,
        }
    }
}

impl EventTracker {
    /// Whether the next byte begins an event.
    pub(crate) fn at_boundary(&self) -> bool {
        self.between && self.line_is_empty
    }

    pub(crate) fn read(&mut self, bytes: &[u8]) {
        // What lies further back than two ends of lines does not matter.
        let start = bytes.len().saturating_sub(5);
        if start > 0 {
            (self.line_is_empty, self.between) = (false, false);
            self.after_return = false;
        }
        for byte in &bytes[start..] {
            match byte {
                b'\n' if self.after_return => self.after_return = false,
                b'\n' | b'\r' => {
                    self.between = self.line_is_empty;
                    self.line_is_empty = true;
                    self.after_return = *byte == b'\r';
                }
                _ => {
                    (self.line_is_empty, self.between) = (false, false);
                    self.after_return = false;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pieces: &[&str]) -> bool {
        let mut tracker = EventTracker::default();
        for piece in pieces {
            tracker.read(piece.as_bytes());
        }
        tracker.at_boundary()
    }

    #[test]
    fn an_event_ends_with_an_empty_line() {
        for whole in [
            &["data: x\n\n"][..],
            &["data: x\r\n\r\n"],
            &["data: x\r\r"],
            &["data: x\n", "\n"],
            &["data: x\r\n\r", "\n"],
            &[],
            &["\n"],
            &["data: a long one indeed\n\ndata: y\n\n"],
        ] {
            assert!(after(whole), "{whole:?}");
        }
        for part in [
            &["data: x\n"][..],
            &["data: x"],
            &["data: x\r\n"],
            &["data: x\n\nd"],
            &["data: x\n\n", "event: y\n"],
            &["a\n\nb\n"],
        ] {
            assert!(!after(part), "{part:?}");
        }
    }
}

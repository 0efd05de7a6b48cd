//! Headers that a client sent and Envoy takes away before any filter runs: those of its connection,
//! and a Referer that is no URL. Rules about them would never see them, so the earliest hook writes
//! them down in a header of ours, of which no client can send one and which ends at the gateway.

/// The header: one for each that is written down, its name and `:` before the value.
pub(crate) const HEADER: &str = "x-ostiary-sent";
/// What Envoy may take away, in lower case.
const ENDED: [&[u8]; 7] = [
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"referer",
    b"te",
    b"transfer-encoding",
    b"upgrade",
];

/// What is to be written down of a header, if Envoy may take it away.
pub(crate) fn line(name: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    ENDED.contains(&name).then(|| [name, b":", value].concat())
}

/// The name and value that were written down.
fn read(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|byte| *byte == b':')?;
    Some((&line[..at], &line[at + 1..]))
}

/// The headers that the client sent: what was written down stands for what is left of it.
pub(crate) fn restored<'a>(all: &[(&'a [u8], &'a [u8])]) -> Vec<(&'a [u8], &'a [u8])> {
    let ours = |name: &[u8]| name == HEADER.as_bytes();
    let told = all.iter().filter(|(name, _)| ours(name));
    let told: Vec<_> = told.filter_map(|(_, line)| read(line)).collect();
    let left = all.iter().copied().filter(|(name, _)| {
        let again = ENDED.contains(name) && told.iter().any(|(known, _)| known == name);
        !ours(name) && !again
    });
    left.chain(told.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_down_stands_for_what_is_left() {
        let written = line(b"referer", b"a:b").unwrap();
        let again = line(b"referer", b"").unwrap();
        let all: [(&[u8], &[u8]); 5] = [
            (b"referer", b"left"),
            (b"te", b"trailers"),
            (b"accept", b"*/*"),
            (b"x-ostiary-sent", &written),
            (b"x-ostiary-sent", &again),
        ];
        let expected: [(&[u8], &[u8]); 4] = [
            (b"te", b"trailers"),
            (b"accept", b"*/*"),
            (b"referer", b"a:b"),
            (b"referer", b""),
        ];
        assert_eq!(restored(&all), expected);
        assert_eq!(line(b"accept", b"*/*"), None);
    }
}

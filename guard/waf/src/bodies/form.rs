//! `a=b&c=d`.

use crate::transforms::Transform;

/// Names with their values.
pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Names and values, decoded.
pub(crate) fn parse(text: &[u8], most: usize) -> Result<Pairs, String> {
    let mut found = Vec::new();
    for piece in text
        .split(|byte| *byte == b'&')
        .filter(|piece| !piece.is_empty())
    {
        if found.len() == most {
            return Err(format!("more than {most} arguments"));
        }
        let at = memchr::memchr(b'=', piece);
        let (name, value) = at.map_or((piece, &b""[..]), |at| (&piece[..at], &piece[at + 1..]));
        found.push((decode(name), decode(value)));
    }
    Ok(found)
}

fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    Transform::UrlDecode.apply(text, &mut out);
    out
}

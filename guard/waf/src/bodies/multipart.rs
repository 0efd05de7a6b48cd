//! `multipart/form-data`, strictly: what two readers could read differently is said.

use super::Parts;

/// The boundary of a content type.
pub(crate) fn boundary(content_type: &[u8]) -> Option<Vec<u8>> {
    let lower = content_type.to_ascii_lowercase();
    let at = memchr::memmem::find(&lower, b"boundary=")? + 9;
    let rest = &content_type[at..];
    let found = if rest.first() == Some(&b'"') {
        rest[1..].split(|byte| *byte == b'"').next()?
    } else {
        rest.split(|byte| matches!(byte, b';' | b','))
            .next()?
            .trim_ascii()
    };
    (!found.is_empty() && found.len() <= 200).then(|| found.to_vec())
}

/// Read a whole body.
pub(crate) fn parse(body: &[u8], content_type: &[u8], most: usize) -> Parts {
    let mut parts = Parts::default();
    let Some(boundary) = boundary(content_type) else {
        parts.fault = Some("multipart: no boundary".to_owned());
        parts.lax = true;
        return parts;
    };
    let mark = [b"--", &boundary[..]].concat();
    let marks: Vec<usize> = memchr::memmem::find_iter(body, &mark)
        .filter(|at| *at == 0 || body[at - 1] == b'\n')
        .collect();
    parts.lax |= marks.first() != Some(&0);
    let mut closed = false;
    for (index, at) in marks.iter().enumerate() {
        let rest = &body[at + mark.len()..];
        if rest.starts_with(b"--") {
            closed = true;
            parts.lax |= index + 1 != marks.len();
            break;
        }
        if parts.arguments.len() + parts.files.len() == most {
            parts.fault = Some(format!("multipart: more than {most} parts"));
            return parts;
        }
        let start = memchr::memchr(b'\n', rest).map_or(rest.len(), |line| line + 1);
        parts.lax |= !matches!(&rest[..start], b"\r\n");
        let end = marks
            .get(index + 1)
            .map_or(rest.len(), |next| next - at - mark.len());
        part(rest.get(start..end).unwrap_or_default(), &mut parts);
    }
    if !closed {
        parts
            .fault
            .get_or_insert_with(|| "multipart: no final boundary".to_owned());
        parts.lax = true;
    }
    parts
}

fn part(text: &[u8], parts: &mut Parts) {
    let mut at = 0;
    let mut lines = Vec::new();
    loop {
        let rest = &text[at..];
        let Some(end) = memchr::memchr(b'\n', rest) else {
            break;
        };
        at += end + 1;
        parts.lax |= end == 0 || rest[end - 1] != b'\r';
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        if line.is_empty() {
            break;
        }
        lines.push(line.to_vec());
    }
    let content = text[at..].strip_suffix(b"\n").unwrap_or(&text[at..]);
    let content = content.strip_suffix(b"\r").unwrap_or(content);
    let disposition = lines.iter().find(|line| {
        line.to_ascii_lowercase()
            .starts_with(b"content-disposition:")
    });
    let Some(disposition) = disposition else {
        parts
            .fault
            .get_or_insert_with(|| "multipart: a part without content-disposition".to_owned());
        parts.lax = true;
        return;
    };
    let name = parameter(disposition, b"name").unwrap_or_default();
    let file = parameter(disposition, b"filename");
    parts
        .headers
        .extend(lines.iter().map(|line| (name.clone(), line.clone())));
    match file {
        Some(file) => parts.files.push((name, file, content.len())),
        None => parts.arguments.push((name, content.to_vec())),
    }
}

/// A parameter of a header line, quoted or not.
fn parameter(line: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    let mut rest = line;
    while let Some(at) = memchr::memchr(b';', rest) {
        rest = rest[at + 1..].trim_ascii_start();
        let Some(value) = rest
            .get(..wanted.len())
            .filter(|name| name.eq_ignore_ascii_case(wanted))
        else {
            continue;
        };
        let Some(text) = rest[value.len()..].trim_ascii_start().strip_prefix(b"=") else {
            continue;
        };
        let text = text.trim_ascii_start();
        return Some(match text.first() {
            Some(quote @ (b'"' | b'\'')) => quoted(&text[1..], *quote),
            _ => text
                .split(|byte| *byte == b';')
                .next()
                .unwrap_or_default()
                .trim_ascii()
                .to_vec(),
        });
    }
    None
}

fn quoted(text: &[u8], quote: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if matches!(bytes.as_slice().first(), Some(next) if *next == quote || *next == b'\\') =>
            {
                out.extend(bytes.next());
            }
            byte if *byte == quote => break,
            byte => out.push(*byte),
        }
    }
    out
}

//! `multipart/form-data`, strictly: what two readers could read differently is said.

use super::Parts;

/// The boundary of a content type (RFC 2046, section 5.1.1); None where two readers could find two.
pub(crate) fn boundary(content_type: &[u8]) -> Option<Vec<u8>> {
    let (mut lax, mut found) = (false, None);
    for (key, value) in parameters(content_type, &mut lax) {
        if memchr::memmem::find(&key, b"boundary").is_some() {
            let again = found.replace((key, value)).is_some();
            lax |= again;
        }
    }
    let (key, found) = found?;
    // Some readers look for the words alone, in quotes too, or end at a comma.
    let lower = content_type.to_ascii_lowercase();
    let mut all = memchr::memmem::find_iter(&lower, b"boundary=");
    let value = &content_type[all.next()? + b"boundary=".len()..];
    lax |= key != b"boundary" || all.next().is_some();
    lax |= value.first() != Some(&b'"') && found.contains(&b',');
    if lax {
        return None;
    }
    let sound = |byte: &u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(byte);
    let sound = !found.is_empty() && found.len() <= 200 && found.iter().all(sound);
    sound.then_some(found)
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
    // A reader that wants CRLF takes a mark behind a bare LF for content.
    parts.lax |= marks
        .iter()
        .any(|at| *at > 0 && !body[..*at].ends_with(b"\r\n"));
    let mut closed = false;
    for (index, at) in marks.iter().enumerate() {
        let rest = &body[at + mark.len()..];
        if rest.starts_with(b"--") {
            closed = true;
            parts.lax |= index + 1 != marks.len() || !rest[2..].trim_ascii().is_empty();
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
        // A folded line (RFC 5322, section 2.2.3) belongs to the one before it, for some readers.
        parts.lax |= matches!(line.first(), Some(b' ' | b'\t'));
        lines.push(line.to_vec());
    }
    let content = text[at..].strip_suffix(b"\n").unwrap_or(&text[at..]);
    let content = content.strip_suffix(b"\r").unwrap_or(content);
    let mut dispositions = lines.iter().filter(|line| {
        line.to_ascii_lowercase()
            .starts_with(b"content-disposition:")
    });
    let Some(disposition) = dispositions.next() else {
        parts
            .fault
            .get_or_insert_with(|| "multipart: a part without content-disposition".to_owned());
        parts.lax = true;
        return;
    };
    parts.lax |= dispositions.next().is_some();
    let (mut name, mut file) = (None, None);
    for (key, value) in parameters(disposition, &mut parts.lax) {
        let place = match key.as_slice() {
            b"name" => &mut name,
            b"filename" => &mut file,
            _ => continue,
        };
        parts.lax |= place.replace(value).is_some();
    }
    let name = name.unwrap_or_default();
    parts
        .headers
        .extend(lines.iter().map(|line| (name.clone(), line.clone())));
    // Browsers send an empty file name for a field without a file; some readers take what comes with
    // it for the value of a field.
    if file.as_ref().is_none_or(Vec::is_empty) && (file.is_none() || !content.is_empty()) {
        parts.arguments.push((name.clone(), content.to_vec()));
    }
    if let Some(file) = file {
        parts.files.push((name, file, content.len()));
    }
}

/// The parameters of a header line, names in lower case. What stands in quotes ends no parameter.
fn parameters(line: &[u8], lax: &mut bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let mut rest = after(line, b';');
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| matches!(byte, b'=' | b';'));
        let end = end.unwrap_or(rest.len());
        let key = rest[..end].trim_ascii_start();
        // For some readers a blank before the sign is a part of the name.
        *lax |= key != key.trim_ascii_end();
        let key = key.trim_ascii_end().to_ascii_lowercase();
        if rest.get(end) != Some(&b'=') {
            rest = after(rest, b';');
            continue;
        }
        let text = rest[end + 1..].trim_ascii_start();
        // RFC 9110 knows one kind of quotes; PHP two.
        *lax |= text.first() == Some(&b'\'');
        let value = if let Some(text) = text.strip_prefix(b"\"") {
            let (value, behind) = quoted(text);
            rest = behind;
            value
        } else {
            rest = text;
            let end = memchr::memchr(b';', text).unwrap_or(text.len());
            text[..end].trim_ascii().to_vec()
        };
        found.push((key, value));
        rest = after(rest, b';');
    }
    found
}

/// What stands behind the next `byte`.
fn after(text: &[u8], byte: u8) -> &[u8] {
    memchr::memchr(byte, text).map_or(&[], |at| &text[at + 1..])
}

/// A quoted text and what stands behind it.
fn quoted(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut out = Vec::new();
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if matches!(bytes.as_slice().first(), Some(b'"' | b'\\')) => {
                out.extend(bytes.next());
            }
            b'"' => break,
            byte => out.push(*byte),
        }
    }
    (out, bytes.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str, content: &str) -> Parts {
        let body = format!("--B\r\n{head}\r\n\r\n{content}\r\n--B--\r\n");
        parse(body.as_bytes(), b"multipart/form-data; boundary=B", 10)
    }

    #[test]
    fn quotes_hold_what_looks_like_a_file_name() {
        let one = read(
            "Content-Disposition: form-data; a=\"; filename=x\"; name=\"q;r\"",
            "v",
        );
        assert_eq!(one.arguments, [(b"q;r".to_vec(), b"v".to_vec())]);
        assert!(one.files.is_empty() && !one.lax);
    }

    #[test]
    fn an_empty_file_name_hides_no_content() {
        let head = "Content-Disposition: form-data; name=\"q\"; filename=\"\"";
        assert_eq!(read(head, "v").arguments.len(), 1);
        let empty = read(head, "");
        assert!(empty.arguments.is_empty() && empty.files.len() == 1 && !empty.lax);
    }

    #[test]
    fn what_two_readers_read_differently_is_said() {
        let file = "Content-Disposition: form-data; name=\"f\"; filename=\"x\"";
        for head in [
            "Content-Disposition: form-data; name=q; filename =x",
            "Content-Disposition: form-data; a='; filename=x; b='; name=q",
            "Content-Disposition: form-data; name=a; name=b",
            "Content-Disposition: form-data; filename=x;\r\n name=q",
            &format!("{file}\r\nContent-Disposition: form-data; name=q"),
        ] {
            assert!(read(head, "v").lax, "{head}");
        }
        assert!(
            read(
                file,
                "a\n--B\r\nContent-Disposition: form-data; name=q\r\n\r\nv"
            )
            .lax
        );
        assert!(read(file, "v\r\n--B--\r\nmore").lax);
        assert!(!read(file, "it's; \"v\"").lax);
    }

    #[test]
    fn there_is_one_boundary_and_it_is_sound() {
        let one = |text: &str| boundary(text.as_bytes()).map(|one| String::from_utf8(one).unwrap());
        assert_eq!(one("a/b; boundary=\"x y\"").unwrap(), "x y");
        // As Chrome, Firefox and curl write them.
        for made in [
            "----WebKitFormBoundary7MA4YWxkTrZu0gW",
            "----geckoformboundary7d1e2f",
            "---------------------------41952539122868",
            "------------------------d74496d66958873e",
        ] {
            assert_eq!(one(&format!("a/b; boundary={made}")).unwrap(), made);
            assert_eq!(
                one(&format!("a/b; charset=utf-8; Boundary={made}")).unwrap(),
                made
            );
        }
        for text in [
            &b"a/b; xboundary=A; boundary=B"[..],
            b"a/b; boundary=A; boundary*0=B",
            b"a/b; x=\"boundary=A\"; boundary=B",
            b"a/b; boundary=A,B",
            b"a/b; boundary=\"A\\\"B\"",
            b"a/b; boundary=",
        ] {
            assert_eq!(boundary(text), None);
        }
    }
}

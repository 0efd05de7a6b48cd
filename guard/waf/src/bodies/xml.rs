//! XML as its texts and attribute values. Nothing is ever fetched or expanded.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::Parts;

/// Read a whole body.
pub(crate) fn parse(text: &[u8], most: usize, depth: usize) -> Parts {
    let mut parts = Parts::default();
    let fault = read(text, most, depth, &mut parts).err();
    parts.fault = fault;
    parts
}

fn read(text: &[u8], most: usize, depth: usize, parts: &mut Parts) -> Result<(), String> {
    let mut reader = Reader::from_reader(text);
    let (mut open, mut current) = (0, Vec::new());
    loop {
        if parts.texts.len() + parts.attributes.len() > most {
            return Err(format!("XML: more than {most} values"));
        }
        match reader
            .read_event()
            .map_err(|fault| format!("XML: {fault}"))?
        {
            Event::Start(start) => {
                open += 1;
                flush(&mut current, parts);
                attributes(&start, parts);
            }
            Event::Empty(start) => attributes(&start, parts),
            Event::End(_) => {
                open -= 1;
                flush(&mut current, parts);
            }
            Event::Text(text) => current.extend(text.iter()),
            Event::CData(data) => current.extend(data.iter()),
            Event::GeneralRef(name) => current.extend([b"&", &name[..], b";"].concat()),
            Event::Eof if open > 0 => return Err("XML: an element is not closed".to_owned()),
            Event::Eof => break,
            _ => {}
        }
        if open > depth {
            return Err(format!("XML: nested deeper than {depth}"));
        }
    }
    flush(&mut current, parts);
    Ok(())
}

fn flush(current: &mut Vec<u8>, parts: &mut Parts) {
    let text = unescape(current.trim_ascii());
    current.clear();
    if !text.is_empty() {
        parts.texts.push(text);
    }
}

fn attributes(start: &BytesStart<'_>, parts: &mut Parts) {
    for attribute in start.attributes().with_checks(false).flatten() {
        parts.attributes.push(unescape(&attribute.value));
    }
}

/// Predefined entities and character numbers; others stay as they are written.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    crate::transforms::Transform::HtmlEntityDecode.apply(text, &mut out);
    out
}

//! Paths without `.`, `..` and doubled slashes.

pub(super) fn normalize(input: &[u8], out: &mut Vec<u8>) {
    shorten(input, out);
}

/// As [`normalize`], with backslashes read as slashes.
pub(super) fn normalize_win(input: &[u8], out: &mut Vec<u8>) {
    let slashes: Vec<u8> = input
        .iter()
        .map(|byte| if *byte == b'\\' { b'/' } else { *byte })
        .collect();
    shorten(&slashes, out);
}

fn shorten(input: &[u8], out: &mut Vec<u8>) {
    let rooted = input.first() == Some(&b'/');
    let mut parts: Vec<&[u8]> = Vec::new();
    let mut open = false;
    let count = input.split(|byte| *byte == b'/').count();
    for (index, part) in input.split(|byte| *byte == b'/').enumerate() {
        let last = index + 1 == count;
        match part {
            b"" | b"." => open = last,
            b".." if parts.last().is_some_and(|part| *part != b"..") => {
                parts.pop();
                open = last;
            }
            b".." if rooted => open = last,
            _ => {
                parts.push(part);
                open = false;
            }
        }
    }
    if rooted {
        out.push(b'/');
    }
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.push(b'/');
        }
        out.extend(*part);
    }
    if open && !parts.is_empty() && input.len() > 1 && input.ends_with(b"/") {
        out.push(b'/');
    }
}

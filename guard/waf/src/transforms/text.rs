//! White space, letters, comments.

use crate::operators::class::Class;

/// White space as C's `isspace` has it, and the no-break space of Latin-1.
pub(super) fn spaces() -> Class {
    Class::of(b" \t\n\x0b\x0c\r\xa0")
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r' | 0xa0)
}

pub(super) fn lowercase(input: &[u8], out: &mut Vec<u8>) {
    out.extend(input.iter().map(u8::to_ascii_lowercase));
}

pub(super) fn uppercase(input: &[u8], out: &mut Vec<u8>) {
    out.extend(input.iter().map(u8::to_ascii_uppercase));
}

pub(super) fn length(input: &[u8], out: &mut Vec<u8>) {
    out.extend(input.len().to_string().into_bytes());
}

pub(super) fn remove_nulls(input: &[u8], out: &mut Vec<u8>) {
    out.extend(input.iter().filter(|byte| **byte != 0));
}

pub(super) fn replace_nulls(input: &[u8], out: &mut Vec<u8>) {
    out.extend(
        input
            .iter()
            .map(|byte| if *byte == 0 { b' ' } else { *byte }),
    );
}

pub(super) fn remove_whitespace(input: &[u8], out: &mut Vec<u8>) {
    out.extend(input.iter().filter(|byte| !is_space(**byte)));
}

pub(super) fn compress_whitespace(input: &[u8], out: &mut Vec<u8>) {
    let mut before = false;
    for byte in input {
        let space = is_space(*byte);
        match (space, before) {
            (true, false) => out.push(b' '),
            (true, true) => {}
            (false, _) => out.push(*byte),
        }
        before = space;
    }
}

pub(super) fn trim(input: &[u8], out: &mut Vec<u8>) {
    let mut left = Vec::new();
    trim_left(input, &mut left);
    trim_right(&left, out);
}

pub(super) fn trim_left(input: &[u8], out: &mut Vec<u8>) {
    let start = input
        .iter()
        .position(|byte| !is_space(*byte))
        .unwrap_or(input.len());
    out.extend(&input[start..]);
}

pub(super) fn trim_right(input: &[u8], out: &mut Vec<u8>) {
    let end = input
        .iter()
        .rposition(|byte| !is_space(*byte))
        .map_or(0, |at| at + 1);
    out.extend(&input[..end]);
}

/// A command line as a shell would see it: no quotes and carets, one space, lower case.
pub(super) fn cmd_line(input: &[u8], out: &mut Vec<u8>) {
    let mut space = false;
    for byte in input {
        match byte {
            b'"' | b'\'' | b'\\' | b'^' => {}
            b' ' | b',' | b';' | b'\t' | b'\r' | b'\n' => {
                if !space {
                    out.push(b' ');
                }
                space = true;
            }
            b'/' | b'(' => {
                if space {
                    out.pop();
                }
                space = false;
                out.push(*byte);
            }
            _ => {
                space = false;
                out.push(byte.to_ascii_lowercase());
            }
        }
    }
}

/// Where a comment that starts at `at` ends, if one does start there.
fn comment(input: &[u8], at: usize) -> Option<usize> {
    let rest = &input[at..];
    let after = |open: usize, close: &[u8]| {
        memchr::memmem::find(&rest[open..], close)
            .map_or(input.len(), |found| at + open + found + close.len())
    };
    if rest.starts_with(b"/*") {
        Some(after(2, b"*/"))
    } else if rest.starts_with(b"<!--") {
        Some(after(4, b"-->"))
    } else if rest.starts_with(b"--") || rest.starts_with(b"#") {
        Some(input.len())
    } else {
        None
    }
}

pub(super) fn remove_comments(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < input.len() {
        if let Some(end) = comment(input, at) {
            at = end;
        } else {
            out.push(input[at]);
            at += 1;
        }
    }
}

/// Remove the marks of comments and keep what is in them.
pub(super) fn remove_comments_char(input: &[u8], out: &mut Vec<u8>) {
    const MARKS: [&[u8]; 6] = [b"<!--", b"-->", b"/*", b"*/", b"--", b"#"];
    let mut at = 0;
    while at < input.len() {
        if let Some(mark) = MARKS.iter().find(|mark| input[at..].starts_with(mark)) {
            at += mark.len();
        } else {
            out.push(input[at]);
            at += 1;
        }
    }
}

/// Each `/* … */` becomes one space; an open one too.
pub(super) fn replace_comments(input: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < input.len() {
        if input[at..].starts_with(b"/*") {
            out.push(b' ');
            let end = memchr::memmem::find(&input[at + 2..], b"*/");
            at = end.map_or(input.len(), |found| at + 2 + found + 2);
        } else {
            out.push(input[at]);
            at += 1;
        }
    }
}

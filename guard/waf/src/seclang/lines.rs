//! Directives and their words out of the text of a file.

/// One directive: the line it starts at and its words without quotes.
pub(crate) struct Line {
    pub number: usize,
    pub words: Vec<String>,
}

/// Split a text into directives; continued lines are joined, comments dropped.
pub(crate) fn split(text: &str) -> Result<Vec<Line>, (usize, String)> {
    let mut lines = Vec::new();
    let mut pending = String::new();
    let mut start = 0;
    for (index, raw) in text.lines().enumerate() {
        if pending.is_empty() {
            start = index + 1;
            let trimmed = raw.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
        }
        if let Some(open) = raw.trim_end_matches([' ', '\t']).strip_suffix('\\') {
            pending.push_str(open);
            pending.push(' ');
            continue;
        }
        pending.push_str(raw);
        finish(&mut lines, start, &mut pending)?;
    }
    if !pending.is_empty() {
        finish(&mut lines, start, &mut pending)?;
    }
    Ok(lines)
}

fn finish(
    lines: &mut Vec<Line>,
    number: usize,
    pending: &mut String,
) -> Result<(), (usize, String)> {
    let words = words(pending).map_err(|fault| (number, fault))?;
    pending.clear();
    if !words.is_empty() {
        lines.push(Line { number, words });
    }
    Ok(())
}

/// Words by white space; a quoted word ends at its quote, `\"` is a quote.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = if first == '"' || first == '\'' {
            quoted(&rest[1..], first)?
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            (rest[..end].to_owned(), &rest[end..])
        };
        found.push(word);
        rest = after.trim_start();
    }
    Ok(found)
}

fn quoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut word = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' if chars.peek().is_some_and(|(_, next)| *next == quote) => {
                word.push(quote);
                chars.next();
            }
            _ if char == quote => return Ok((word, &text[at + 1..])),
            _ => word.push(char),
        }
    }
    Err("a quote is not closed".to_owned())
}

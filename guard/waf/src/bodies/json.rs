//! JSON as flat names: `json.a.array_0.b`. Duplicate keys are all kept, and
//! those of empty objects and arrays, with an empty value.

use super::Parts;

/// Most bytes of all flat names together: each value has its own, so one long key before many values
/// would come to a thousand times the body.
const NAMES: usize = 512 << 10;

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    path: Vec<u8>,
    parts: Parts,
    names: usize,
    most: usize,
    depth: usize,
}

/// Read a whole body.
pub(crate) fn parse(text: &[u8], most: usize, depth: usize) -> Parts {
    let mut reader = Reader {
        text,
        at: 0,
        path: b"json".to_vec(),
        parts: Parts::default(),
        names: 0,
        most,
        depth,
    };
    let fault = reader.document().err();
    reader.parts.fault = fault;
    reader.parts
}

impl Reader<'_> {
    fn document(&mut self) -> Result<(), String> {
        self.space();
        if self.at == self.text.len() {
            return Ok(());
        }
        self.value(0)?;
        self.space();
        if self.at == self.text.len() {
            Ok(())
        } else {
            Err(self.wrong("text after the end"))
        }
    }

    fn wrong(&self, what: &str) -> String {
        format!("JSON: {what} at byte {}", self.at)
    }

    fn space(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<(), String> {
        if depth > self.depth {
            return Err(self.wrong("nested too deep"));
        }
        match self.text.get(self.at) {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => {
                let text = self.string()?;
                self.leaf(text)
            }
            Some(_) => {
                let rest = &self.text[self.at..];
                let end = rest.iter().position(|byte| {
                    !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.'))
                });
                let word = rest[..end.unwrap_or(rest.len())].to_vec();
                let number = word
                    .first()
                    .is_some_and(|byte| *byte == b'-' || byte.is_ascii_digit());
                if !number && !matches!(word.as_slice(), b"true" | b"false" | b"null") {
                    return Err(self.wrong("no value"));
                }
                self.at += word.len();
                self.leaf(if word == b"null" { Vec::new() } else { word })
            }
            None => Err(self.wrong("the end comes too early")),
        }
    }

    fn leaf(&mut self, value: Vec<u8>) -> Result<(), String> {
        if self.parts.arguments.len() == self.most {
            return Err(self.wrong("too many values"));
        }
        self.names += self.path.len();
        if self.names > NAMES {
            return Err(self.wrong("names too long"));
        }
        self.parts.arguments.push((self.path.clone(), value));
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), String> {
        self.at += 1;
        self.space();
        if self.take(b'}') {
            return self.leaf(Vec::new());
        }
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            if !self.take(b':') {
                return Err(self.wrong("no colon"));
            }
            self.within(&name, depth)?;
            if self.take(b'}') {
                return Ok(());
            }
            if !self.take(b',') {
                return Err(self.wrong("no comma"));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), String> {
        self.at += 1;
        self.space();
        if self.take(b']') {
            return self.leaf(Vec::new());
        }
        for index in 0usize.. {
            self.within(format!("array_{index}").as_bytes(), depth)?;
            if self.take(b']') {
                break;
            }
            if !self.take(b',') {
                return Err(self.wrong("no comma"));
            }
        }
        Ok(())
    }

    fn within(&mut self, name: &[u8], depth: usize) -> Result<(), String> {
        let length = self.path.len();
        self.path.push(b'.');
        self.path.extend(name);
        self.space();
        self.value(depth + 1)?;
        self.space();
        self.path.truncate(length);
        Ok(())
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }

    fn string(&mut self) -> Result<Vec<u8>, String> {
        if !self.take(b'"') {
            return Err(self.wrong("no string"));
        }
        let mut out = Vec::new();
        loop {
            let byte = *self
                .text
                .get(self.at)
                .ok_or_else(|| self.wrong("a string without end"))?;
            self.at += 1;
            match byte {
                b'"' => return Ok(out),
                b'\\' => self.escape(&mut out)?,
                _ => out.push(byte),
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let byte = *self
            .text
            .get(self.at)
            .ok_or_else(|| self.wrong("a string without end"))?;
        self.at += 1;
        out.push(match byte {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            b'"' | b'\\' | b'/' => byte,
            b'u' => return self.unicode(out),
            _ => return Err(self.wrong("an unknown escape")),
        });
        Ok(())
    }

    fn unicode(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let mut number = self.unit()?;
        if (0xd800..0xdc00).contains(&number) && self.text[self.at..].starts_with(b"\\u") {
            let second = self.at;
            self.at += 2;
            let low = self.unit()?;
            if (0xdc00..0xe000).contains(&low) {
                number = 0x10000 + ((number - 0xd800) << 10) + (low - 0xdc00);
            } else {
                // What follows half a pair is a character of its own.
                self.at = second;
            }
        }
        let char = char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
        out.extend(char.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn unit(&mut self) -> Result<u32, String> {
        let digits = self
            .text
            .get(self.at..self.at + 4)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        number.ok_or_else(|| self.wrong("a broken escape"))
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn values(text: &str) -> Vec<(String, String)> {
        let parts = parse(text.as_bytes(), 100, 10);
        assert_eq!(parts.fault, None, "{text}");
        let word = |bytes| String::from_utf8(bytes).unwrap();
        let all = parts.arguments.into_iter();
        all.map(|(name, value)| (word(name), word(value))).collect()
    }

    #[test]
    fn half_a_surrogate_pair_hides_nothing() {
        let one = |text: &str| values(text).remove(0).1;
        assert_eq!(one(r#"["\ud800\u003cb>"]"#), "\u{fffd}<b>");
        assert_eq!(one(r#"["\ud83d\ude00"]"#), "\u{1f600}");
        assert_eq!(one(r#"["\ud83d\ud83d\ude00"]"#), "\u{fffd}\u{1f600}");
        assert!(parse(br#"["\u+03c"]"#, 100, 10).fault.is_some());
    }

    #[test]
    fn a_long_name_counts_for_each_of_its_values() {
        let text = |values: usize| {
            format!(
                r#"{{"{}":[{}0]}}"#,
                "k".repeat(100_000),
                "0,".repeat(values)
            )
        };
        assert_eq!(parse(text(3).as_bytes(), 1000, 10).fault, None);
        let parts = parse(text(900).as_bytes(), 1000, 10);
        assert!(parts.fault.is_some() && parts.arguments.len() < 10);
    }

    #[test]
    fn names_of_what_is_empty_are_kept() {
        let all = values(r#"{"<b>":{},"c":[]}"#);
        let name = |at: usize| all[at].0.as_str();
        assert_eq!((name(0), name(1)), ("json.<b>", "json.c"));
    }
}

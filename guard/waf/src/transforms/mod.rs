//! What rules do to a value before they look at it.
//!
//! A transformation is a pure function of bytes. [`Transform::touches`] says
//! which bytes a value must have for it to change anything: without one of
//! them the value is its own result and nothing is computed.

pub(crate) mod decode;
mod entity;
mod escape;
mod path;
mod text;
mod wide;

use std::sync::LazyLock;

use crate::operators::class::Class;

macro_rules! transforms {
    ($($variant:ident = $name:literal / $touches:expr => $apply:expr,)*) => {
        /// One step.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub(crate) enum Transform { $($variant,)* }

        impl Transform {
            const NAMES: &'static [(&'static str, Self)] = &[$(($name, Self::$variant),)*];

            /// Every step there is.
            #[cfg(test)]
            pub fn all() -> impl Iterator<Item = Self> {
                Self::NAMES.iter().map(|(_, transform)| *transform)
            }

            /// The bytes one of which a value needs to change.
            pub fn touches(self) -> &'static Class {
                static KNOWN: LazyLock<Vec<Class>> = LazyLock::new(|| vec![$($touches,)*]);
                &KNOWN[self as usize]
            }

            /// Its bit among those of all.
            pub fn bit(self) -> u64 {
                1 << (self as u8)
            }

            /// For each byte, the bits of the steps that it makes change a value.
            pub fn bits() -> [u64; 256] {
                let mut bits = [0; 256];
                for (_, step) in Self::NAMES {
                    for (byte, bits) in (0..=255).zip(&mut bits) {
                        if step.touches().has(byte) {
                            *bits |= step.bit();
                        }
                    }
                }
                bits
            }

            /// The bits of the steps that make something of nothing.
            pub fn of_nothing() -> u64 {
                let made = |step: &Self| {
                    let mut out = Vec::new();
                    step.apply(b"", &mut out);
                    !out.is_empty()
                };
                let all = Self::NAMES.iter().map(|(_, step)| *step);
                all.filter(made).fold(0, |bits, step| bits | step.bit())
            }

            /// Append the result for a value.
            pub fn apply(self, input: &[u8], out: &mut Vec<u8>) {
                match self { $(Self::$variant => $apply(input, out),)* }
            }
        }
    };
}

transforms! {
    Base64Decode = "base64decode" / Class::full() => decode::base64,
    Base64DecodeExt = "base64decodeext" / Class::full() => decode::base64_lenient,
    Base64Encode = "base64encode" / Class::full() => decode::base64_encode,
    CmdLine = "cmdline" / Class::of(b"\\\"'^,; \t\r\n/(").with_range(b'A', b'Z') => text::cmd_line,
    CompressWhitespace = "compresswhitespace" / text::spaces() => text::compress_whitespace,
    CssDecode = "cssdecode" / Class::of(b"\\") => escape::css,
    EscapeSeqDecode = "escapeseqdecode" / Class::of(b"\\") => escape::sequences,
    HexDecode = "hexdecode" / Class::full() => decode::hex,
    HexEncode = "hexencode" / Class::full() => decode::hex_encode,
    HtmlEntityDecode = "htmlentitydecode" / Class::of(b"&") => entity::html,
    JsDecode = "jsdecode" / Class::of(b"\\") => escape::js,
    Length = "length" / Class::full() => text::length,
    Lowercase = "lowercase" / Class::of(b"").with_range(b'A', b'Z') => text::lowercase,
    Md5 = "md5" / Class::full() => decode::md5,
    NormalizePath = "normalizepath" / Class::of(b"/.") => path::normalize,
    NormalisePath = "normalisepath" / Class::of(b"/.") => path::normalize,
    NormalizePathWin = "normalizepathwin" / Class::of(b"/.\\") => path::normalize_win,
    NormalisePathWin = "normalisepathwin" / Class::of(b"/.\\") => path::normalize_win,
    RemoveComments = "removecomments" / Class::of(b"/-#<") => text::remove_comments,
    RemoveCommentsChar = "removecommentschar" / Class::of(b"/*-#<>") => text::remove_comments_char,
    RemoveNulls = "removenulls" / Class::of(b"\0") => text::remove_nulls,
    RemoveWhitespace = "removewhitespace" / text::spaces() => text::remove_whitespace,
    ReplaceComments = "replacecomments" / Class::of(b"/") => text::replace_comments,
    ReplaceNulls = "replacenulls" / Class::of(b"\0") => text::replace_nulls,
    Sha1 = "sha1" / Class::full() => decode::sha1,
    SqlHexDecode = "sqlhexdecode" / Class::of(b"xX") => decode::sql_hex,
    Trim = "trim" / text::spaces() => text::trim,
    TrimLeft = "trimleft" / text::spaces() => text::trim_left,
    TrimRight = "trimright" / text::spaces() => text::trim_right,
    Uppercase = "uppercase" / Class::of(b"").with_range(b'a', b'z') => text::uppercase,
    UrlDecode = "urldecode" / Class::of(b"%+") => decode::url,
    UrlDecodeUni = "urldecodeuni" / Class::of(b"%+") => decode::url_uni,
    UrlDecodeWide = "urldecodewide" / Class::of(b"%+\xc0\xc1\xe0\xf0") => wide::url,
    UrlEncode = "urlencode" / Class::full() => decode::url_encode,
    Utf8ToUnicode = "utf8tounicode" / Class::of(b"").with_range(0x80, 0xff) => wide::utf8_to_unicode,
}

impl Transform {
    /// The step of a name in any case.
    pub fn find(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        Self::NAMES
            .iter()
            .find(|(known, _)| *known == lower)
            .map(|(_, transform)| *transform)
    }
}

/// The number of a hexadecimal digit.
pub(crate) fn nibble(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// The number of two hexadecimal digits at a place.
pub(crate) fn hex_pair(input: &[u8], at: usize) -> Option<u8> {
    Some(nibble(*input.get(at)?)? << 4 | nibble(*input.get(at + 1)?)?)
}

#[cfg(test)]
mod tests;

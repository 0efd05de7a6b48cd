//! Values that no rule sees and no message shows.

use std::borrow::Cow;

use super::transaction::Transaction;
use crate::transforms::Transform;

/// Shorter values are no secrets: hiding them would hide half of a message.
const SHORTEST: usize = 4;
const MASK: &[u8] = b"***";

impl Transaction {
    /// Whether an argument is secret: by its whole name, or by the last part of
    /// `json.user.password`, `user[password]`, `json.passwords.array_0`.
    pub(super) fn is_secret_argument(&self, name: &[u8]) -> bool {
        let secret = &self.plan.settings.secret_arguments;
        if secret.is_empty() {
            return false;
        }
        let lower = String::from_utf8_lossy(name).to_ascii_lowercase();
        let index = |part: &str| {
            let digits = part.strip_prefix("array_").unwrap_or(part);
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        let last = lower
            .rsplit(['.', '[', ']'])
            .find(|part| !part.is_empty() && !index(part));
        secret.contains(&lower) || last.is_some_and(|last| secret.iter().any(|name| name == last))
    }

    /// Remember a secret, so that messages can hide it.
    pub(super) fn keep_secret(&mut self, value: &[u8]) {
        if value.len() >= SHORTEST && !self.secrets.iter().any(|known| known == value) {
            self.secrets.push(value.to_vec());
        }
    }

    /// A query or form without the values of secret arguments.
    pub(super) fn open_form<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        if self.plan.settings.secret_arguments.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut out = Vec::with_capacity(text.len());
        for (index, piece) in text.split(|byte| *byte == b'&').enumerate() {
            if index > 0 {
                out.push(b'&');
            }
            let name = memchr::memchr(b'=', piece).map_or(piece, |at| &piece[..at]);
            let mut decoded = Vec::new();
            Transform::UrlDecode.apply(name, &mut decoded);
            if self.is_secret_argument(&decoded) {
                out.extend(name);
                out.extend(b"=");
            } else {
                out.extend(piece);
            }
        }
        Cow::Owned(out)
    }

    /// A request target without the values of secret arguments.
    pub(super) fn open_target<'a>(&self, target: &'a [u8]) -> Cow<'a, [u8]> {
        match memchr::memchr(b'?', target) {
            Some(at) => match self.open_form(&target[at + 1..]) {
                Cow::Borrowed(_) => Cow::Borrowed(target),
                Cow::Owned(query) => Cow::Owned([&target[..=at], &query].concat()),
            },
            None => Cow::Borrowed(target),
        }
    }

    /// A text with every secret that is known by now hidden.
    pub(super) fn masked<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let mut out = Cow::Borrowed(text);
        for secret in &self.secrets {
            if memchr::memmem::find(&out, secret).is_some() {
                out = Cow::Owned(replaced(&out, secret));
            }
        }
        out
    }
}

fn replaced(text: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for found in memchr::memmem::find_iter(text, secret) {
        out.extend(&text[at..found]);
        out.extend(MASK);
        at = found + secret.len();
    }
    out.extend(&text[at..]);
    out
}

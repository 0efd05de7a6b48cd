//! What happens to a request's headers before anything reads them: what a client must not say is
//! taken out, what can be read in two ways is marked, and the name is written under which the routes
//! of its host are found.
//!
//! That name is written last, and not for what can be read in two ways: without it a request has no
//! route.

use ostiary_policy::{is_sound_host, is_sound_path};
use serde::Deserialize;

use crate::abi::Early;
use crate::{provoked, sent};

/// The settings of one listener.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scope {
    listener: String,
    /// `*.x.example`; `*` for every host.
    wildcards: Vec<String>,
    /// `:8443`, or empty for the scheme's own.
    port: String,
    #[serde(rename = "scope_header")]
    written: String,
    #[serde(rename = "authority_header")]
    shown: String,
    /// Says what is unsound about a request that gets no route, for the words of its refusal.
    #[serde(rename = "unsound_header")]
    unsound: String,
    /// The client can choose the host, so that it is looked at too.
    any_host: bool,
    /// Rules look into requests here, and want to see what Envoy takes away.
    #[serde(default)]
    keeps_sent: bool,
    strip: Strip,
}

/// What a client must not say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strip {
    prefixes: Vec<String>,
    names: Vec<String>,
}

impl Strip {
    fn takes(&self, name: &[u8]) -> bool {
        self.prefixes
            .iter()
            .any(|one| name.starts_with(one.as_bytes()))
            || self.names.iter().any(|one| one.as_bytes() == name)
    }
}

impl Scope {
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut read: Self = serde_json::from_str(text).map_err(|why| why.to_string())?;
        // The longest stands first: it is the narrowest.
        read.wildcards
            .sort_by_key(|one| std::cmp::Reverse(one.len()));
        Ok(read)
    }

    /// The scope and the authority as the application will see it are written, `Host` in lower case.
    pub(crate) fn place(&self, request: &Early<'_>) {
        provoked::early(request);
        if !self.clean(request) {
            return self.refuse(request);
        }
        let Some(authority) = request.header(":authority") else {
            return;
        };
        let host = host_of(authority);
        let mut key = Vec::with_capacity(self.listener.len() + 1 + host.len());
        key.extend_from_slice(self.listener.as_bytes());
        key.push(b'|');
        key.extend_from_slice(self.wildcard(&host).unwrap_or(&host));
        let mut shown = host.clone();
        shown.extend_from_slice(self.port.as_bytes());
        if authority != host {
            request.set_header(":authority", &host);
        }
        request.set_header(&self.shown, &shown);
        if !request.header(":path").is_some_and(is_sound_path) {
            request.set_header(&self.unsound, b"path");
        } else if self.any_host && !is_sound_host(&host) {
            request.set_header(&self.unsound, b"host");
        } else {
            request.set_header(&self.written, &key);
        }
    }

    /// What a client must not say is gone, and what Envoy will take away is written down; false
    /// when the headers cannot be read.
    fn clean(&self, request: &Early<'_>) -> bool {
        let Some(all) = request.headers() else {
            return false;
        };
        let (gone, left): (Vec<_>, Vec<_>) =
            all.iter().partition(|(name, _)| self.strip.takes(name));
        let gone: Vec<Vec<u8>> = gone.iter().map(|(name, _)| name.to_vec()).collect();
        let kept = left.iter().filter(|_| self.keeps_sent);
        let kept: Vec<Vec<u8>> = kept
            .filter_map(|(name, value)| sent::line(name, value))
            .collect();
        for name in &gone {
            request.remove_header(name);
        }
        for line in &kept {
            request.add_header(sent::HEADER, line);
        }
        true
    }

    /// The request is found under no name, whatever its client wrote.
    pub(crate) fn refuse(&self, request: &Early<'_>) {
        request.set_header(&self.written, b"");
    }

    fn wildcard(&self, host: &[u8]) -> Option<&[u8]> {
        let covers = |one: &&String| one.as_str() == "*" || host.ends_with(&one.as_bytes()[1..]);
        self.wildcards.iter().find(covers).map(String::as_bytes)
    }
}

/// The name alone: lower case, without port and without the root's dot.
fn host_of(authority: &[u8]) -> Vec<u8> {
    let bracketed = authority.iter().rposition(|byte| *byte == b']');
    let colon = authority.iter().rposition(|byte| *byte == b':');
    let end = match (bracketed, colon) {
        (Some(bracket), Some(colon)) if colon < bracket => authority.len(),
        // What is no number is no port, and so it is part of a name that is none.
        (_, Some(colon)) if authority[colon + 1..].iter().all(u8::is_ascii_digit) => colon,
        _ => authority.len(),
    };
    let mut host = authority[..end].to_ascii_lowercase();
    if host.last() == Some(&b'.') {
        host.pop();
    }
    host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_its_name_alone() {
        for (authority, host) in [
            ("Notes.Example:8443", "notes.example"),
            ("notes.example.", "notes.example"),
            ("notes.example.:1", "notes.example"),
            ("[2001:DB8::1]:8443", "[2001:db8::1]"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            (
                "evil.example:80.notes.example",
                "evil.example:80.notes.example",
            ),
        ] {
            assert_eq!(host_of(authority.as_bytes()), host.as_bytes());
        }
    }

    #[test]
    fn what_a_client_must_not_say_is_a_name_or_begins_like_one() {
        let text = r#"{"prefixes":["x-envoy-"],"names":["proxy"]}"#;
        let strip: Strip = serde_json::from_str(text).unwrap();
        assert!(strip.takes(b"x-envoy-retry-on") && strip.takes(b"proxy"));
        assert!(!strip.takes(b"proxy-authorization") && !strip.takes(b"envoy"));
    }

    #[test]
    fn the_narrowest_wildcard_covers() {
        let text = r#"{"listener":"l","wildcards":["*.x.example","*.a.x.example"],"port":"",
            "scope_header":"s","authority_header":"a","unsound_header":"u","any_host":true,
            "strip":{"prefixes":[],"names":[]}}"#;
        let scope = Scope::read(text).unwrap();
        assert_eq!(
            scope.wildcard(b"b.a.x.example"),
            Some(&b"*.a.x.example"[..])
        );
        assert_eq!(scope.wildcard(b"b.x.example"), Some(&b"*.x.example"[..]));
        assert_eq!(scope.wildcard(b"x.example"), None);
        assert_eq!(scope.wildcard(b"ax.example"), None);
    }
}

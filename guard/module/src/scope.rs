//! Under which name the routes of a request's host are found, written before anything reads them.

use serde::Deserialize;

use crate::abi::Early;

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
        request.set_header(&self.written, &key);
        request.set_header(&self.shown, &shown);
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
        (_, Some(colon)) => colon,
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
        ] {
            assert_eq!(host_of(authority.as_bytes()), host.as_bytes());
        }
    }

    #[test]
    fn the_narrowest_wildcard_covers() {
        let text = r#"{"listener":"l","wildcards":["*.x.example","*.a.x.example"],"port":"",
            "scope_header":"s","authority_header":"a"}"#;
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

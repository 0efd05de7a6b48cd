//! A request as the log keeps it, so that other rules can be tried on it later. Secrets are not in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ostiary_waf::RequestHead;
use serde_json::{Value, json};

use super::settings::Secret;

/// Bytes of a body that are kept.
const KEPT: usize = 64 << 10;
const MASK: &str = "***";
const NEVER: [&str; 2] = ["authorization", "proxy-authorization"];

/// See the module.
#[derive(Debug)]
pub(crate) struct Recorded {
    method: String,
    uri: String,
    headers: Vec<[String; 2]>,
    body: String,
    /// The body is not here as a whole.
    cut: bool,
}

impl Recorded {
    pub(crate) fn new(head: &RequestHead<'_>, secret: &Secret) -> Self {
        let headers = head.headers.iter();
        Self {
            method: text(head.method),
            uri: masked_uri(&text(head.uri), secret),
            headers: headers.filter_map(|one| header(*one, secret)).collect(),
            body: String::new(),
            cut: false,
        }
    }

    /// Keeps the body; one that may hold a secret in a form that is not understood is left out.
    pub(crate) fn body(&mut self, body: &[u8], secret: &Secret) {
        let kept = masked_body(body, secret);
        self.cut = kept.as_ref().is_none_or(|kept| kept.len() > KEPT);
        let kept = kept.unwrap_or_default();
        self.body = STANDARD.encode(&kept[..kept.len().min(KEPT)]);
    }

    pub(crate) fn told(&self) -> Value {
        json!({
            "method": self.method,
            "uri": self.uri,
            "headers": self.headers,
            "body": self.body,
            "cut": self.cut,
        })
    }
}

/// Whether what matched at `place` may show the value of a secret argument.
pub(crate) fn names_secret(place: &str, data: &str, secret: &Secret) -> bool {
    let name = last_name(place);
    let is_secret = |one: &String| one.eq_ignore_ascii_case(name);
    let all = || secret.masked.iter().chain(&secret.arguments);
    // The address of a page has arguments of its own.
    let referer = place.eq_ignore_ascii_case("REQUEST_HEADERS:referer");
    let whole = !place.contains(':') || referer;
    let lower = if whole {
        data.to_ascii_lowercase()
    } else {
        String::new()
    };
    all().any(is_secret) || (whole && all().any(|one| lower.contains(one.as_str())))
}

fn header((name, value): (&[u8], &[u8]), secret: &Secret) -> Option<[String; 2]> {
    let name = text(name).to_ascii_lowercase();
    let hidden = secret
        .headers
        .iter()
        .any(|one| one.eq_ignore_ascii_case(&name));
    if hidden || NEVER.contains(&name.as_str()) {
        return None;
    }
    let value = text(value);
    let value = match name.as_str() {
        "cookie" => foreign_cookies(&value, secret)?,
        "referer" => masked_uri(&value, secret),
        _ => value,
    };
    Some([name, value])
}

/// A line of cookies without ours; None when nothing is left.
fn foreign_cookies(line: &str, secret: &Secret) -> Option<String> {
    let ours = |one: &&str| {
        let mut prefixes = secret.cookies.iter();
        prefixes.any(|prefix| one.starts_with(prefix.as_str())) || one.starts_with("__Host-ostiary")
    };
    let kept = line.split(';').map(str::trim).filter(|one| !ours(one));
    let kept: Vec<&str> = kept.collect();
    (!kept.is_empty()).then(|| kept.join("; "))
}

fn masked_uri(uri: &str, secret: &Secret) -> String {
    match uri.split_once('?') {
        Some((path, query)) => format!("{path}?{}", masked_pairs(query, secret)),
        None => uri.to_owned(),
    }
}

/// The body without values of secret arguments; None when they cannot be told apart.
fn masked_body(body: &[u8], secret: &Secret) -> Option<Vec<u8>> {
    let lower = body.to_ascii_lowercase();
    let names = secret.masked.iter().chain(&secret.arguments);
    let mentioned = names.filter(|name| !name.is_empty());
    let spelt = |name: &String| {
        lower
            .windows(name.len())
            .any(|part| part == name.as_bytes())
    };
    // A name can hide behind %-signs or escapes.
    let hidden = body.iter().any(|byte| matches!(byte, b'%' | b'\\'));
    if !mentioned.into_iter().any(|name| hidden || spelt(name)) {
        return Some(body.to_vec());
    }
    let text = std::str::from_utf8(body).ok()?;
    if let Ok(mut value) = serde_json::from_str::<Value>(text) {
        mask_value(&mut value, secret);
        return serde_json::to_vec(&value).ok();
    }
    let is_form = !text.contains(['\n', '<', '{', '"']);
    is_form.then(|| masked_pairs(text, secret).into_bytes())
}

fn mask_value(value: &mut Value, secret: &Secret) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if is_secret(key, secret) {
                    *value = MASK.into();
                } else {
                    mask_value(value, secret);
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|one| mask_value(one, secret)),
        _ => {}
    }
}

fn masked_pairs(text: &str, secret: &Secret) -> String {
    let pairs = text.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_secret(&decoded(name), secret) => format!("{name}={MASK}"),
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

fn is_secret(name: &str, secret: &Secret) -> bool {
    let last = last_name(name);
    let mut names = secret.masked.iter().chain(&secret.arguments);
    names.any(|one| one.eq_ignore_ascii_case(name) || one.eq_ignore_ascii_case(last))
}

/// The last part of a name that is no index: `password` of `user[password][0]`, `json.password.array_0`.
fn last_name(name: &str) -> &str {
    let index = |part: &&str| {
        let digits = part.strip_prefix("array_").unwrap_or(part);
        digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut parts = name.rsplit([':', '.', '[', ']']);
    parts.find(|part| !index(part)).unwrap_or_default()
}

/// A name with its %-signs looked through.
fn decoded(name: &str) -> String {
    let mut made = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|_| *first == b'%');
        let byte = pair
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        made.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    text(&made)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret {
            masked: vec!["password".to_owned()],
            ..Secret::default()
        }
    }

    fn body(text: &str) -> Option<String> {
        masked_body(text.as_bytes(), &secret()).map(|one| String::from_utf8(one).unwrap())
    }

    #[test]
    fn values_of_secret_arguments_are_not_kept() {
        assert_eq!(body("a=1&password=x").unwrap(), "a=1&password=***");
        assert_eq!(body("p%61ssword=x&b=2").unwrap(), "p%61ssword=***&b=2");
        assert_eq!(body("user[Password]=x").unwrap(), "user[Password]=***");
        assert_eq!(body("password[]=x&b=2").unwrap(), "password[]=***&b=2");
        let json = body(r#"{"user":{"password":["x"]},"b":2}"#).unwrap();
        assert_eq!(json, r#"{"b":2,"user":{"password":"***"}}"#);
        assert_eq!(body("--x\r\nname=\"password\"\r\n\r\nx"), None);
        assert_eq!(body("plain text\n").unwrap(), "plain text\n");
    }

    #[test]
    fn our_cookies_and_credentials_are_not_kept() {
        let one = header((b"cookie", b"a=1; __Host-ostiary-session=x"), &secret());
        assert_eq!(one.unwrap()[1], "a=1");
        assert!(header((b"cookie", b"__Host-ostiary-session=x"), &secret()).is_none());
        assert!(header((b"Authorization", b"Bearer x"), &secret()).is_none());
        assert_eq!(
            masked_uri("/a?password=x&b=1", &secret()),
            "/a?password=***&b=1"
        );
    }

    #[test]
    fn what_matched_in_a_secret_place_is_not_shown() {
        let named = |place, data| names_secret(place, data, &secret());
        assert!(named("ARGS:password", "x") && named("ARGS:json.user.Password", "x"));
        assert!(named("ARGS:json.password.array_0", "x") && named("ARGS:u[password][1]", "x"));
        assert!(named("REQUEST_HEADERS:referer", "https://a/?password=x"));
        assert!(named("REQUEST_BODY", "a password=x") && !named("ARGS:q", "password"));
    }
}

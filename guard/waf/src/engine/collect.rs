//! The values of a request, each once.

use super::request::{RequestHead, ResponseHead};
use super::transaction::Transaction;
use crate::bodies::{Parts, form, json, multipart, xml};
use crate::seclang::variable::Variable as V;
use crate::transforms::decode;

/// Which processor reads a body of this type, unless a rule of phase 1 names another one. Rule sets
/// that leave JSON and XML to the configuration around them, as CRS does, see such bodies too.
fn processor(content_type: &[u8]) -> &'static str {
    let kind = content_type.to_ascii_lowercase();
    // Where PHP ends the type, too: at a blank.
    let ends = |byte: &u8| matches!(byte, b';' | b',' | b' ' | b'\t');
    let kind = kind.trim_ascii_start().split(ends).next();
    let kind = kind.unwrap_or_default();
    match kind {
        b"application/x-www-form-urlencoded" => "URLENCODED",
        b"multipart/form-data" => "MULTIPART",
        b"application/json" | b"text/json" => "JSON",
        b"application/xml" | b"text/xml" => "XML",
        _ if kind.ends_with(b"+json") => "JSON",
        _ if kind.ends_with(b"+xml") => "XML",
        _ => "",
    }
}

/// Which processor reads a body whose type nobody states: applications guess, and so do we. Bytes
/// that are no text, or that it could not read, are read by none.
fn guessed(body: &[u8], most: usize, depth: usize) -> &'static str {
    let odd = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\n');
    if body.iter().any(odd) || std::str::from_utf8(body).is_err() {
        return "";
    }
    let tree = matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
    if tree && json::parse(body, most, depth).fault.is_none() {
        "JSON"
    } else if form::parse(body, most).is_ok() {
        "URLENCODED"
    } else {
        ""
    }
}

impl Transaction {
    pub(super) fn collect_head(&mut self, head: &RequestHead<'_>) {
        let open = self.open_target(head.uri);
        let uri = without_origin(&open);
        let mut path = Vec::new();
        decode::path(
            uri.split(|byte| *byte == b'?').next().unwrap_or_default(),
            &mut path,
        );
        let query_at = memchr::memchr(b'?', head.uri).map_or(head.uri.len(), |at| at + 1);
        let open_query = &open[query_at.min(open.len())..];
        let base = path
            .rsplit(|byte| matches!(byte, b'/' | b'\\'))
            .next()
            .unwrap_or_default();
        let line = [head.method, b" ", &open, b" ", head.protocol].concat();
        let singles: [(V, &[u8]); 10] = [
            (V::RequestMethod, head.method),
            (V::RequestUri, uri),
            (V::RequestUriRaw, &open),
            (V::RequestFilename, &path),
            (V::RequestBasename, base),
            (V::RequestLine, &line),
            (V::RequestProtocol, head.protocol),
            (V::QueryString, open_query),
            (V::RemoteAddr, head.remote.as_bytes()),
            (V::UniqueId, head.id.as_bytes()),
        ];
        for (variable, value) in singles {
            self.put(variable, b"", value);
        }
        for (name, value) in head.headers {
            self.header(name, value);
        }
        for variable in [V::ReqbodyError, V::MultipartStrictError, V::UrlencodedError] {
            self.put(variable, b"", b"0");
        }
        processor(&self.content_type).clone_into(&mut self.processor);
        match form::parse(&head.uri[query_at..], self.plan.limits.arguments) {
            Ok(arguments) => self.arguments(arguments, V::ArgsGet, V::ArgsGetNames),
            Err(fault) => self.broken(&fault),
        }
        self.sizes();
        self.set_processor();
    }

    fn header(&mut self, name: &[u8], value: &[u8]) {
        let lower = String::from_utf8_lossy(&name.to_ascii_lowercase()).into_owned();
        let mut shown = value.to_vec();
        if self.plan.settings.secret_headers.contains(&lower) {
            shown = value
                .split(|byte| *byte == b' ')
                .next()
                .filter(|word| word.len() < value.len())
                .unwrap_or(b"")
                .to_vec();
        }
        if lower == "cookie" {
            shown = self.cookies(value);
        } else if lower == "referer" {
            shown = self.open_target(value).into_owned();
        } else if lower == "content-type" && self.content_type.is_empty() {
            self.content_type = value.to_vec();
        }
        self.put(V::RequestHeaders, name, &shown);
        self.put(V::RequestHeadersNames, name, name);
    }

    /// Collect cookies; the header without the secret ones.
    fn cookies(&mut self, header: &[u8]) -> Vec<u8> {
        let mut shown = Vec::new();
        for piece in header.split(|byte| *byte == b';') {
            let piece = piece.trim_ascii_start();
            let at = memchr::memchr(b'=', piece).unwrap_or(piece.len());
            let (name, value) = (&piece[..at], piece.get(at + 1..).unwrap_or_default());
            let secret = |prefix: &String| name.starts_with(prefix.as_bytes());
            if piece.is_empty() || self.plan.settings.secret_cookies.iter().any(secret) {
                continue;
            }
            self.put(V::RequestCookies, name, value);
            self.put(V::RequestCookiesNames, name, name);
            if !shown.is_empty() {
                shown.extend(b"; ");
            }
            shown.extend(piece);
        }
        shown
    }

    fn arguments(&mut self, arguments: Vec<(Vec<u8>, Vec<u8>)>, values: V, names: V) {
        for (name, value) in arguments {
            if self.is_secret_argument(&name) {
                self.keep_secret(&value);
            } else {
                self.put(values, &name, &value);
            }
            self.put(names, &name, &name);
        }
    }

    fn sizes(&mut self) {
        let entries = self.collections[V::ArgsGet as usize]
            .iter()
            .chain(&self.collections[V::ArgsPost as usize]);
        let size: usize = entries
            .map(|entry| {
                self.strings.bytes(entry.name).len() + self.strings.bytes(entry.value).len()
            })
            .sum();
        self.replace(V::ArgsCombinedSize, size.to_string().as_bytes());
    }

    /// Show rules which processor reads the body.
    pub(super) fn set_processor(&mut self) {
        let name = self.processor.clone();
        self.replace(V::ReqbodyProcessor, name.as_bytes());
    }

    pub(super) fn collect_body(&mut self, body: &[u8]) {
        self.put(V::RequestBodyLength, b"", body.len().to_string().as_bytes());
        let limits = &self.plan.limits;
        let (most, depth) = (
            limits
                .arguments
                .saturating_sub(self.collections[V::ArgsGet as usize].len()),
            limits.depth,
        );
        if !body.is_empty() && self.processor.is_empty() && self.content_type.is_empty() {
            guessed(body, most, depth).clone_into(&mut self.processor);
            self.set_processor();
        }
        let parts = match self.processor.as_str() {
            _ if body.is_empty() => Parts::default(),
            "URLENCODED" => match form::parse(body, most) {
                Ok(arguments) => Parts {
                    arguments,
                    ..Parts::default()
                },
                Err(fault) => Parts {
                    fault: Some(fault),
                    ..Parts::default()
                },
            },
            "JSON" => json::parse(body, most, depth),
            "XML" => xml::parse(body, most, depth),
            "MULTIPART" => multipart::parse(body, &self.content_type, most),
            _ => Parts::default(),
        };
        self.take(parts);
        if self.processor == "URLENCODED" {
            let open = self.open_form(body);
            self.put(V::RequestBody, b"", &open);
        } else if self.switches.force_body {
            let open = self.masked(body);
            self.put(V::RequestBody, b"", &open);
        }
        self.sizes();
    }

    fn take(&mut self, parts: Parts) {
        self.arguments(parts.arguments, V::ArgsPost, V::ArgsPostNames);
        let mut total = 0;
        for (name, file, size) in parts.files {
            total += size;
            self.put(V::Files, &name, &file);
            self.put(V::FilesNames, &name, &name);
            self.put(V::FilesSizes, &name, size.to_string().as_bytes());
        }
        self.put(V::FilesCombinedSize, b"", total.to_string().as_bytes());
        for (name, line) in parts.headers {
            self.put(V::MultipartPartHeaders, &name, &line);
        }
        for text in parts.texts {
            self.put(V::Xml, b"", &text);
        }
        for text in parts.attributes {
            self.put(V::XmlAttributes, b"", &text);
        }
        if let Some(fault) = parts.fault {
            self.broken(&fault);
        }
        if parts.lax {
            self.replace(V::MultipartStrictError, b"1");
        }
    }

    fn broken(&mut self, fault: &str) {
        self.replace(V::ReqbodyError, b"1");
        self.replace(V::ReqbodyErrorMsg, fault.as_bytes());
    }

    pub(super) fn collect_response(&mut self, head: &ResponseHead<'_>) {
        self.put(V::ResponseStatus, b"", head.status.to_string().as_bytes());
        self.put(V::ResponseProtocol, b"", head.protocol);
        for (name, value) in head.headers {
            let ours = |prefix: &String| value.trim_ascii_start().starts_with(prefix.as_bytes());
            let cookie = name.eq_ignore_ascii_case(b"set-cookie");
            if cookie && self.plan.settings.secret_cookies.iter().any(ours) {
                continue;
            }
            self.put(V::ResponseHeaders, name, value);
            self.put(V::ResponseHeadersNames, name, name);
            if name.eq_ignore_ascii_case(b"content-type") {
                self.put(V::ResponseContentType, b"", value);
            }
        }
    }
}

/// A target in absolute form without its scheme and host.
fn without_origin(uri: &[u8]) -> &[u8] {
    let lower = uri.get(..8).unwrap_or(uri).to_ascii_lowercase();
    let skip = if lower.starts_with(b"https://") { 8 } else { 7 };
    if !lower.starts_with(b"http://") && !lower.starts_with(b"https://") {
        return uri;
    }
    memchr::memchr2(b'/', b'?', &uri[skip..]).map_or(&uri[uri.len()..], |at| &uri[skip + at..])
}

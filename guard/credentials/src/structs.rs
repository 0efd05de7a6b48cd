//! Claims as a serialised `google.protobuf.Struct`, as Envoy's own jwt filter would put them.

use serde_json::{Map, Value};

/// `{key: {the fields of inner}}`, where `inner` is a serialised Struct.
#[must_use]
pub fn wrap(key: &str, inner: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(inner.len() + 4);
    delimited(&mut value, 0x2a, inner);
    let mut made = Vec::with_capacity(value.len() + key.len() + 12);
    entry(&mut made, key, &value);
    made
}

/// The fields of `map`, as a serialised Struct.
#[must_use]
pub fn of_map(map: &Map<String, Value>) -> Vec<u8> {
    let mut made = Vec::new();
    for (key, value) in map {
        entry(&mut made, key, &of_value(value));
    }
    made
}

fn of_value(value: &Value) -> Vec<u8> {
    let mut made = Vec::new();
    match value {
        Value::Null => made.extend_from_slice(&[0x08, 0]),
        Value::Bool(one) => made.extend_from_slice(&[0x20, u8::from(*one)]),
        Value::Number(one) => {
            made.push(0x11);
            made.extend_from_slice(&one.as_f64().unwrap_or(f64::NAN).to_le_bytes());
        }
        Value::String(one) => delimited(&mut made, 0x1a, one.as_bytes()),
        Value::Array(all) => {
            let mut list = Vec::new();
            for one in all {
                delimited(&mut list, 0x0a, &of_value(one));
            }
            delimited(&mut made, 0x32, &list);
        }
        Value::Object(map) => delimited(&mut made, 0x2a, &of_map(map)),
    }
    made
}

fn entry(made: &mut Vec<u8>, key: &str, value: &[u8]) {
    let mut one = Vec::with_capacity(key.len() + value.len() + 8);
    delimited(&mut one, 0x0a, key.as_bytes());
    delimited(&mut one, 0x12, value);
    delimited(made, 0x0a, &one);
}

fn delimited(made: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    made.push(tag);
    let mut length = bytes.len();
    while length >= 0x80 {
        made.push(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
        length >>= 7;
    }
    made.push(u8::try_from(length).unwrap_or(0));
    made.extend_from_slice(bytes);
}

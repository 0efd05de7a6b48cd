//! JSON in which no key stands twice: of two readers each could believe another one (RFC 8725, 2.4).

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::reason::Reason;

/// Objects and lists within each other; we write two, and Envoy reads no Struct deeper than thirty.
const DEEPEST: u8 = 16;

/// The one JSON value in `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, Reason> {
    let why = Cell::new(Reason::Malformed);
    let mut from = serde_json::Deserializer::from_slice(bytes);
    let reader = Reader {
        depth: 0,
        why: &why,
    };
    let made = reader.deserialize(&mut from).map_err(|_| why.get())?;
    from.end().map_err(|_| Reason::Malformed)?;
    Ok(made)
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    depth: u8,
    why: &'a Cell<Reason>,
}

impl Reader<'_> {
    fn fail<E: Error>(self, reason: Reason) -> E {
        self.why.set(reason);
        E::custom(reason.code())
    }

    fn below<E: Error>(self) -> Result<Self, E> {
        if self.depth == DEEPEST {
            return Err(self.fail(Reason::Nested));
        }
        let depth = self.depth + 1;
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON without a key that stands twice")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut made = Vec::new();
        while let Some(one) = sequence.next_element_seed(below)? {
            made.push(one);
        }
        Ok(Value::Array(made))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut made = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(below)?;
            if made.insert(key, value).is_some() {
                return Err(self.fail(Reason::DuplicateKey));
            }
        }
        Ok(Value::Object(made))
    }
}

//! Reading any JSON into a value of bounded depth and size.
//!
//! `serde_json` refuses what is nested deeper than 128; ingest does not, because it skips what it
//! does not need. This reader shows such an event as far as `limits::VIEW_DEPTH_MAX`.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::limits;

/// Stands where a value was nested too deeply.
pub(super) const TOO_DEEP: &str = "[nested too deeply]";

pub(super) fn read(text: &str) -> Result<Value, serde_json::Error> {
    let left = Cell::new(limits::VIEW_VALUES_MAX);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Bounded { depth: limits::VIEW_DEPTH_MAX, left: &left }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Bounded<'b> {
    depth: usize,
    left: &'b Cell<usize>,
}

impl Bounded<'_> {
    /// One level down, as long as there is room for another value.
    fn deeper(self) -> Option<Self> {
        let left = self.left.get().checked_sub(1)?;
        self.left.set(left);
        Some(Self { depth: self.depth.checked_sub(1)?, left: self.left })
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(deeper) = self.deeper() {
            match seq.next_element_seed(deeper)? {
                Some(value) => list.push(value),
                None => return Ok(Value::Array(list)),
            }
        }
        let mut more = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok(if more && self.depth == 0 { Value::String(TOO_DEEP.into()) } else { Value::Array(list) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(deeper) = self.deeper() {
            match map.next_key::<String>()? {
                Some(key) => object.insert(key, map.next_value_seed(deeper)?),
                None => return Ok(Value::Object(object)),
            };
        }
        let mut more = false;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok(if more && self.depth == 0 { Value::String(TOO_DEEP.into()) } else { Value::Object(object) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_and_wide_values_are_cut_not_refused() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let mut value = &read(&deep).unwrap();
        let mut depth = 0;
        while let Value::Array(list) = value {
            value = &list[0];
            depth += 1;
        }
        assert_eq!((depth, value), (limits::VIEW_DEPTH_MAX, &Value::String(TOO_DEEP.into())));
        let wide = format!("[{}0]", "0,".repeat(limits::VIEW_VALUES_MAX * 2));
        assert_eq!(read(&wide).unwrap().as_array().unwrap().len(), limits::VIEW_VALUES_MAX);
        assert!(read("[1").is_err());
        assert!(read("1 2").is_err());
    }
}

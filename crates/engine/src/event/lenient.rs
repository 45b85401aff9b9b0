//! Building blocks that read any JSON value and keep it only when it fits.
//!
//! Owns the coercions of the protocol notes, section 5 ("lenient string", "values list", "pair
//! list"). Derived `Deserialize` is not used for events because it refuses a wrongly typed or a
//! repeated attribute, and one bad attribute must not lose an event.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::limits;

/// Text, or a number or boolean as text; absent for anything else.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Text<'a>(Option<Cow<'a, str>>);

impl<'a> Text<'a> {
    pub(crate) const fn new(text: Cow<'a, str>) -> Self {
        Self(Some(text))
    }

    /// The text, when there was one; it may be empty.
    #[must_use]
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The text, or the empty string.
    #[must_use]
    pub fn or_empty(&self) -> &str {
        self.get().unwrap_or_default()
    }

    /// The text without surrounding white space, when something is left.
    #[must_use]
    pub fn trimmed(&self) -> Option<&str> {
        self.get().map(str::trim).filter(|text| !text.is_empty())
    }

    /// Gives the text away.
    #[must_use]
    pub fn into_inner(self) -> Option<Cow<'a, str>> {
        self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self::new(Cow::Borrowed(text))
    }
}

/// One visitor method per JSON type that a lenient value treats as absent.
macro_rules! absent {
    ($value:expr; $($kind:ident)*) => {
        $(crate::event::lenient::absent!(@ $kind $value);)*
    };
    (@ unit $value:expr) => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> { Ok($value) }
    };
    (@ bool $value:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> { Ok($value) }
    };
    (@ number $value:expr) => {
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> { Ok($value) }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> { Ok($value) }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> { Ok($value) }
    };
    (@ str $value:expr) => {
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> { Ok($value) }
    };
    (@ seq $value:expr) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok($value)
        }
    };
    (@ map $value:expr) => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok($value)
        }
    };
}
pub(crate) use absent;

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Borrowed(text))))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Owned(text.to_owned()))))
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Borrowed(if flag { "True" } else { "False" }))))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Owned(number.to_string()))))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Owned(number.to_string()))))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Text(Some(Cow::Owned(number.to_string()))))
            }

            absent!(Text(None); unit seq map);
        }
        deserializer.deserialize_any(V)
    }
}

/// Text, or any other JSON value as JSON text ("json string").
pub(crate) struct JsonText<'a>(pub(crate) Text<'a>);

impl<'de> Deserialize<'de> for JsonText<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        Ok(Self(match raw.as_bytes().first() {
            Some(b'"') => serde_json::from_str(raw).map_err(serde::de::Error::custom)?,
            Some(b'n') => Text(None),
            _ => Text(Some(Cow::Borrowed(raw))),
        }))
    }
}

/// `true`, `false`, or one of them as text or number.
#[derive(Clone, Copy)]
pub(crate) struct Flag(pub(crate) bool);

/// A whole number, also when sent as text or as a float without fraction.
#[derive(Clone, Copy)]
pub(crate) struct Whole(pub(crate) i64);

impl Whole {
    /// A line or column: from 1 and below 2³¹ (the database's `integer`).
    pub(crate) fn positive(self) -> Option<u32> {
        u32::try_from(self.0).ok().filter(|n| (1..=i32::MAX as u32).contains(n))
    }
}

/// A value that may be anything and is kept only when it converts.
pub(crate) trait Lenient: Sized {
    fn from_text(text: &str) -> Option<Self>;
    fn from_number(number: f64) -> Option<Self>;
    fn from_bool(flag: bool) -> Option<Self>;
}

impl Lenient for Flag {
    fn from_text(text: &str) -> Option<Self> {
        match text {
            "true" | "True" | "1" => Some(Self(true)),
            "false" | "False" | "0" => Some(Self(false)),
            _ => None,
        }
    }

    fn from_number(number: f64) -> Option<Self> {
        Some(Self(number != 0.0))
    }

    fn from_bool(flag: bool) -> Option<Self> {
        Some(Self(flag))
    }
}

impl Lenient for Whole {
    fn from_text(text: &str) -> Option<Self> {
        text.trim().parse().ok().map(Self)
    }

    #[expect(clippy::cast_possible_truncation, reason = "bounded by the check")]
    fn from_number(number: f64) -> Option<Self> {
        // 2⁵³: beyond it a float no longer names one whole number.
        (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(Self(number as i64))
    }

    fn from_bool(_: bool) -> Option<Self> {
        None
    }
}

pub(crate) struct LenientVisitor<T>(pub(crate) PhantomData<T>);

#[expect(clippy::cast_precision_loss, reason = "a number too large for a float is out of range for every user")]
impl<'de, T: Lenient> Visitor<'de> for LenientVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(T::from_text(text))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(T::from_bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(T::from_number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(T::from_number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(T::from_number(number))
    }

    absent!(None; unit seq map);
}

/// An attribute of an object: how a field's type is read from any JSON value.
pub(crate) trait Attribute<'de>: Sized {
    fn read<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error>;
}

/// Reads any value into `Option<T>`.
pub(crate) struct Maybe<T>(pub(crate) Option<T>);

impl<'de, T: Lenient> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LenientVisitor(PhantomData)).map(Self)
    }
}

impl<'de, T: Lenient> Attribute<'de> for Option<T> {
    fn read<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        map.next_value::<Maybe<T>>().map(|maybe| maybe.0)
    }
}

impl<'de> Attribute<'de> for Text<'de> {
    fn read<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        map.next_value()
    }
}

impl<'de> Attribute<'de> for JsonText<'de> {
    fn read<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        map.next_value()
    }
}

/// A "values list": `[…]`, `{"values": […]}`, or one object. Keeps the last `N` entries, because
/// the newest frame and the outermost exception stand last.
pub(crate) struct BoundedList<T, const N: usize>(pub(crate) VecDeque<T>);

impl<'de, T, const N: usize> Attribute<'de> for BoundedList<T, N>
where
    T: Entry<'de>,
{
    fn read<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        map.next_value()
    }
}

/// What a list may hold: reads any value, `None` for one that does not fit.
pub(crate) trait Entry<'de>: Sized {
    /// How the entry is read from any JSON value.
    type Read: Deserialize<'de>;
    /// The entry, unless what was read does not fit.
    fn from_read(read: Self::Read) -> Option<Self>;
    /// An entry that was written as an object directly in place of the list.
    fn from_map<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error>;
}

impl<'de> Entry<'de> for Text<'de> {
    type Read = Text<'de>;

    fn from_read(text: Self) -> Option<Self> {
        text.0.is_some().then_some(text)
    }

    fn from_map<A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

impl<'de, T: Entry<'de>, const N: usize> Deserialize<'de> for BoundedList<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V<T, const N: usize>(PhantomData<T>);
        impl<'de, T: Entry<'de>, const N: usize> Visitor<'de> for V<T, N> {
            type Value = BoundedList<T, N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut list = VecDeque::new();
                while let Some(read) = seq.next_element::<T::Read>()? {
                    if let Some(entry) = T::from_read(read) {
                        if list.len() == N {
                            list.pop_front();
                        }
                        list.push_back(entry);
                    }
                }
                Ok(BoundedList(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let mut values = None;
                let entry = T::from_map(BesideValues { map, values: &mut values })?;
                Ok(values.unwrap_or_else(|| BoundedList(entry.into_iter().collect())))
            }

            absent!(BoundedList(VecDeque::new()); unit bool number str);
        }
        deserializer.deserialize_any(V(PhantomData))
    }
}

/// The members of an object but for `values`, which is read aside, wherever it stands: only at its end is it
/// known whether an object is the list or the one entry of it.
struct BesideValues<'v, A, T, const N: usize> {
    map: A,
    values: &'v mut Option<BoundedList<T, N>>,
}

impl<'de, A: MapAccess<'de>, T: Entry<'de>, const N: usize> MapAccess<'de> for BesideValues<'_, A, T, N> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Self::Error> {
        while let Some(key) = self.map.next_key::<Key<'de>>()? {
            if key.0 != "values" {
                return match key.0 {
                    Cow::Borrowed(key) => seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some),
                    Cow::Owned(key) => seed.deserialize(key.into_deserializer()).map(Some),
                };
            }
            *self.values = Some(self.map.next_value()?);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Self::Error> {
        self.map.next_value_seed(seed)
    }
}

/// A "pair list": an object, or `[[key, value], …]`. Pairs without text on both sides are left out,
/// and the first of equal keys wins.
pub(crate) struct Pairs<'a>(pub(crate) Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Pairs<'a> {
    fn push(&mut self, key: Text<'a>, value: Text<'a>) {
        if let (Some(key), Some(value)) = (key.0, value.0)
            && self.0.len() < limits::TAGS_MAX
            && !self.0.iter().any(|(known, _)| *known == key)
        {
            self.0.push((key, value));
        }
    }
}

impl<'de> Attribute<'de> for Pairs<'de> {
    fn read<A: MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
        map.next_value()
    }
}

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Pairs(Vec::new());
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    pairs.push(Text(Some(key.0)), map.next_value()?);
                }
                Ok(pairs)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Pairs(Vec::new());
                while let Some(mut pair) = seq.next_element::<BoundedSeq<'de>>()? {
                    if pair.0.len() == 2 {
                        let value = pair.0.pop().unwrap_or_default();
                        pairs.push(pair.0.pop().unwrap_or_default(), value);
                    }
                }
                Ok(pairs)
            }

            absent!(Pairs(Vec::new()); unit bool number str);
        }
        deserializer.deserialize_any(V)
    }
}

/// Up to three texts of a sequence: enough to tell whether it is a pair.
struct BoundedSeq<'a>(Vec<Text<'a>>);

impl<'de> Deserialize<'de> for BoundedSeq<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = BoundedSeq<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::with_capacity(3);
                while let Some(text) = seq.next_element::<Text<'de>>()? {
                    if texts.len() < 3 {
                        texts.push(text);
                    }
                }
                Ok(BoundedSeq(texts))
            }

            absent!(BoundedSeq(Vec::new()); unit bool number str map);
        }
        deserializer.deserialize_any(V)
    }
}

/// The key of an object, borrowed where it has no escapes.
pub(crate) struct Key<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(V)
    }
}

/// Implements reading for a struct of attributes: unknown keys are skipped, a repeated key wins
/// over the earlier one, and anything but an object reads as absent. `required` refuses it
/// instead, `text_or` takes a plain text for the whole struct.
macro_rules! lenient_object {
    (required $ty:ident { $($arms:tt)* }) => {
        lenient_object!(@object $ty { $($arms)* });
        impl<'de> serde::Deserialize<'de> for $ty<'de> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct V;
                impl<'de> serde::de::Visitor<'de> for V {
                    type Value = $ty<'de>;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a JSON object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                        $ty::read_entries(map)
                    }
                }
                deserializer.deserialize_map(V)
            }
        }
    };
    (text_or $ty:ident { $($arms:tt)* }) => {
        lenient_object!(@object $ty { $($arms)* });
        lenient_object!(@entry $ty {
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(crate::event::lenient::Maybe(Some($ty::from_text(std::borrow::Cow::Borrowed(text)))))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(crate::event::lenient::Maybe(Some($ty::from_text(std::borrow::Cow::Owned(text.to_owned())))))
            }
        });
    };
    (@object $ty:ident { $($($key:literal)|+ => |$object:ident, $value:ident : $read:ty| $set:expr),* $(,)? }) => {
        impl<'de> $ty<'de> {
            fn read_entries<A: serde::de::MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
                let mut object = Self::default();
                while let Some(key) = map.next_key::<crate::event::lenient::Key<'de>>()? {
                    match key.0.as_ref() {
                        $($($key)|+ => {
                            let $value = <$read as crate::event::lenient::Attribute<'de>>::read(&mut map)?;
                            let $object = &mut object;
                            $set;
                        })*
                        _ => {
                            map.next_value::<serde::de::IgnoredAny>()?;
                        }
                    }
                }
                Ok(object)
            }
        }
    };
    (@entry $ty:ident { $($text:tt)* }) => {
        impl<'de> serde::Deserialize<'de> for crate::event::lenient::Maybe<$ty<'de>> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct V;
                impl<'de> serde::de::Visitor<'de> for V {
                    type Value = crate::event::lenient::Maybe<$ty<'de>>;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("any value")
                    }
                    fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                        $ty::read_entries(map).map(|object| crate::event::lenient::Maybe(Some(object)))
                    }
                    fn visit_unit<E>(self) -> Result<Self::Value, E> { Ok(crate::event::lenient::Maybe(None)) }
                    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> { Ok(crate::event::lenient::Maybe(None)) }
                    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> { Ok(crate::event::lenient::Maybe(None)) }
                    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> { Ok(crate::event::lenient::Maybe(None)) }
                    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> { Ok(crate::event::lenient::Maybe(None)) }
                    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                        while seq.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                        Ok(crate::event::lenient::Maybe(None))
                    }
                    $($text)*
                }
                deserializer.deserialize_any(V)
            }
        }

        impl<'de> crate::event::lenient::Entry<'de> for $ty<'de> {
            type Read = crate::event::lenient::Maybe<$ty<'de>>;

            fn from_read(read: Self::Read) -> Option<Self> {
                read.0
            }

            fn from_map<A: serde::de::MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
                Self::read_entries(map).map(Some)
            }
        }

        impl<'de> crate::event::lenient::Attribute<'de> for Option<$ty<'de>> {
            fn read<A: serde::de::MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
                map.next_value::<crate::event::lenient::Maybe<$ty<'de>>>().map(|maybe| maybe.0)
            }
        }

        impl<'de> crate::event::lenient::Attribute<'de> for $ty<'de> {
            fn read<A: serde::de::MapAccess<'de>>(map: &mut A) -> Result<Self, A::Error> {
                <Option<$ty<'de>> as crate::event::lenient::Attribute<'de>>::read(map).map(Option::unwrap_or_default)
            }
        }
    };
    ($ty:ident { $($arms:tt)* }) => {
        lenient_object!(@object $ty { $($arms)* });
        lenient_object!(@entry $ty {
            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> { Ok(crate::event::lenient::Maybe(None)) }
        });
    };
}
pub(crate) use lenient_object;

//! Bytes to values. The bytes may be any: a worker gone wild wrote them.

use super::CodecError;
use serde::de::value::U32Deserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

/// The value with which `bytes` begin.
#[inline]
pub(crate) fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, CodecError> {
    T::deserialize(&mut Decoder(bytes))
}

/// What is left of the bytes.
struct Decoder<'de>(&'de [u8]);

impl<'de> Decoder<'de> {
    #[inline]
    fn take(&mut self, count: usize) -> Result<&'de [u8], CodecError> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(CodecError::Incomplete)?;
        self.0 = rest;
        Ok(taken)
    }

    #[inline]
    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let (&taken, rest) = self.0.split_first_chunk().ok_or(CodecError::Incomplete)?;
        self.0 = rest;
        Ok(taken)
    }

    #[inline]
    fn take_u32(&mut self) -> Result<u32, CodecError> {
        Ok(u32::from_ne_bytes(self.take_array()?))
    }

    /// A bool, or whether an `Option` is some.
    #[inline]
    fn take_flag(&mut self, what: &'static str) -> Result<bool, CodecError> {
        match self.take_array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(CodecError::Not(what)),
        }
    }

    #[inline]
    fn take_text(&mut self) -> Result<&'de str, CodecError> {
        let bytes = self.take_bytes()?;
        str::from_utf8(bytes).map_err(|_| CodecError::Not("text in UTF-8"))
    }

    #[inline]
    fn take_bytes(&mut self) -> Result<&'de [u8], CodecError> {
        let count = self.take_u32()?;
        self.take(count as usize)
    }

    /// So many values that lie one behind the other.
    #[inline]
    fn parts(&mut self, left: usize) -> Parts<'_, 'de> {
        let decoder = self;
        Parts { decoder, left }
    }
}

macro_rules! numbers {
    ($($method:ident, $visit:ident: $number:ty,)*) => {
        $(
            #[inline]
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
                visitor.$visit(<$number>::from_ne_bytes(self.take_array()?))
            }
        )*
    };
}

macro_rules! unknown {
    ($($method:ident)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, CodecError> {
                Err(CodecError::NotSelfDescribing)
            }
        )*
    };
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = CodecError;

    numbers! {
        deserialize_i8, visit_i8: i8,
        deserialize_i16, visit_i16: i16,
        deserialize_i32, visit_i32: i32,
        deserialize_i64, visit_i64: i64,
        deserialize_i128, visit_i128: i128,
        deserialize_u8, visit_u8: u8,
        deserialize_u16, visit_u16: u16,
        deserialize_u32, visit_u32: u32,
        deserialize_u64, visit_u64: u64,
        deserialize_u128, visit_u128: u128,
        deserialize_f32, visit_f32: f32,
        deserialize_f64, visit_f64: f64,
    }

    unknown!(deserialize_any deserialize_identifier deserialize_ignored_any);

    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_bool(self.take_flag("a bool")?)
    }

    #[inline]
    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        let char = char::from_u32(self.take_u32()?);
        visitor.visit_char(char.ok_or(CodecError::Not("a char"))?)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_borrowed_str(self.take_text()?)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_borrowed_bytes(self.take_bytes()?)
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.take_flag("an Option")? {
            false => visitor.visit_none(),
            true => visitor.visit_some(self),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        let count = self.take_u32()?;
        visitor.visit_seq(self.parts(count as usize))
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_seq(self.parts(length))
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_seq(self.parts(length))
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        let count = self.take_u32()?;
        visitor.visit_map(self.parts(count as usize))
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_seq(self.parts(fields.len()))
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_enum(self)
    }
}

struct Parts<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Parts<'_, 'de> {
    type Error = CodecError;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, CodecError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for Parts<'_, 'de> {
    type Error = CodecError;

    #[inline]
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, CodecError> {
        self.next_element_seed(seed)
    }

    #[inline]
    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, CodecError> {
        seed.deserialize(&mut *self.decoder)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> EnumAccess<'de> for &mut Decoder<'de> {
    type Error = CodecError;
    type Variant = Self;

    #[inline]
    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self), CodecError> {
        let index: U32Deserializer<CodecError> = self.take_u32()?.into_deserializer();
        Ok((seed.deserialize(index)?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Decoder<'de> {
    type Error = CodecError;

    #[inline]
    fn unit_variant(self) -> Result<(), CodecError> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<S::Value, CodecError> {
        seed.deserialize(self)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_seq(self.parts(length))
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_seq(self.parts(fields.len()))
    }
}

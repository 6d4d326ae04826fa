//! Values to bytes.

use super::CodecError;
use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// Where the bytes go.
pub(crate) trait Output {
    /// Takes all of these bytes, or fails with [`CodecError::Full`].
    fn put(&mut self, bytes: &[u8]) -> Result<(), CodecError>;
}

impl Output for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

/// Puts `value` into `output`. If that fails, a part of it may be there.
#[inline]
pub(crate) fn encode(value: &impl Serialize, output: &mut impl Output) -> Result<(), CodecError> {
    value.serialize(Encoder(output))
}

struct Encoder<'a, O>(&'a mut O);

impl<O: Output> Encoder<'_, O> {
    /// The same once more, for a part of the value.
    #[inline]
    fn again(&mut self) -> Encoder<'_, O> {
        Encoder(self.0)
    }

    #[inline]
    fn count(&mut self, count: usize) -> Result<(), CodecError> {
        let count = u32::try_from(count).map_err(|_| CodecError::TooMany(count))?;
        self.0.put(&count.to_ne_bytes())
    }
}

macro_rules! numbers {
    ($($method:ident: $number:ty,)*) => {
        $(
            #[inline]
            fn $method(self, value: $number) -> Result<(), CodecError> {
                self.0.put(&value.to_ne_bytes())
            }
        )*
    };
}

impl<O: Output> Serializer for Encoder<'_, O> {
    type Ok = ();
    type Error = CodecError;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    numbers! {
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_i128: i128,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_u128: u128,
        serialize_f32: f32,
        serialize_f64: f64,
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), CodecError> {
        self.serialize_u8(value.into())
    }

    #[inline]
    fn serialize_char(self, value: char) -> Result<(), CodecError> {
        self.serialize_u32(value.into())
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), CodecError> {
        self.serialize_bytes(value.as_bytes())
    }

    #[inline]
    fn serialize_bytes(mut self, value: &[u8]) -> Result<(), CodecError> {
        self.count(value.len())?;
        self.0.put(value)
    }

    #[inline]
    fn serialize_none(self) -> Result<(), CodecError> {
        self.serialize_u8(0)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(mut self, value: &T) -> Result<(), CodecError> {
        self.again().serialize_u8(1)?;
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), CodecError> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), CodecError> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
    ) -> Result<(), CodecError> {
        self.serialize_u32(index)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), CodecError> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        value: &T,
    ) -> Result<(), CodecError> {
        self.again().serialize_u32(index)?;
        value.serialize(self)
    }

    #[inline]
    fn serialize_seq(mut self, length: Option<usize>) -> Result<Self, CodecError> {
        self.count(length.ok_or(CodecError::NoLength)?)?;
        Ok(self)
    }

    #[inline]
    fn serialize_tuple(self, _length: usize) -> Result<Self, CodecError> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _length: usize,
    ) -> Result<Self, CodecError> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_variant(
        mut self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self, CodecError> {
        self.again().serialize_u32(index)?;
        Ok(self)
    }

    #[inline]
    fn serialize_map(self, length: Option<usize>) -> Result<Self, CodecError> {
        self.serialize_seq(length)
    }

    #[inline]
    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<Self, CodecError> {
        Ok(self)
    }

    #[inline]
    fn serialize_struct_variant(
        mut self,
        _name: &'static str,
        index: u32,
        _variant: &'static str,
        _length: usize,
    ) -> Result<Self, CodecError> {
        self.again().serialize_u32(index)?;
        Ok(self)
    }
}

/// Whatever has parts has them one behind the other.
macro_rules! parts {
    ($($part_of:ident::$method:ident($($name:ty)?),)*) => {
        $(
            impl<O: Output> $part_of for Encoder<'_, O> {
                type Ok = ();
                type Error = CodecError;

                #[inline]
                fn $method<T: Serialize + ?Sized>(
                    &mut self,
                    $(_name: $name,)?
                    value: &T,
                ) -> Result<(), CodecError> {
                    value.serialize(self.again())
                }

                #[inline]
                fn end(self) -> Result<(), CodecError> {
                    Ok(())
                }
            }
        )*
    };
}

parts! {
    SerializeSeq::serialize_element(),
    SerializeTuple::serialize_element(),
    SerializeTupleStruct::serialize_field(),
    SerializeTupleVariant::serialize_field(),
    SerializeStruct::serialize_field(&'static str),
    SerializeStructVariant::serialize_field(&'static str),
}

impl<O: Output> SerializeMap for Encoder<'_, O> {
    type Ok = ();
    type Error = CodecError;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CodecError> {
        key.serialize(self.again())
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        value.serialize(self.again())
    }

    #[inline]
    fn end(self) -> Result<(), CodecError> {
        Ok(())
    }
}

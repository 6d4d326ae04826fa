//! Every kind of value that serde knows goes there and back.

use super::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Debug;

fn encoded(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(value, &mut bytes).unwrap();
    bytes
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Nothing;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped(u64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Pair(String, i128);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(f64),
    Tuple(char, bool),
    Struct { name: String, sides: Vec<u16> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    numbers: (i8, i16, i32, i64, u8, u16, u32, u64, u128, usize, f32),
    nothing: ((), Nothing),
    wrapped: Wrapped,
    pair: Pair,
    shapes: Vec<Shape>,
    options: [Option<u8>; 2],
    names: BTreeMap<String, Vec<Option<Wrapped>>>,
}

fn everything() -> Everything {
    let name = "Säule".to_owned();
    Everything {
        numbers: (-1, -2, -3, i64::MIN, 5, 6, 7, u64::MAX, 9, 10, 1.5),
        nothing: ((), Nothing),
        wrapped: Wrapped(11),
        pair: Pair(String::new(), i128::MIN),
        shapes: vec![
            Shape::Unit,
            Shape::Newtype(f64::INFINITY),
            Shape::Tuple('ß', true),
            Shape::Struct {
                name,
                sides: vec![1, 2, 3],
            },
        ],
        options: [None, Some(12)],
        names: BTreeMap::from([
            ("a".to_owned(), vec![]),
            ("b".to_owned(), vec![None, Some(Wrapped(13))]),
        ]),
    }
}

#[test]
fn every_kind_of_value_comes_back_as_it_was() {
    let value = everything();
    assert_eq!(decode(&encoded(&value)), Ok(value));
}

#[test]
fn a_number_is_as_wide_as_its_type() {
    assert_eq!(encoded(&7_u64), 7_u64.to_ne_bytes());
    assert_eq!(encoded(&(1_u8, 2_u16)).len(), 3);
}

#[test]
fn bytes_that_end_too_early_are_an_error() {
    let bytes = encoded(&everything());
    for length in 0..bytes.len() {
        let result = decode::<Everything>(&bytes[..length]);
        assert_eq!(result, Err(CodecError::Incomplete), "{length}");
    }
}

#[test]
fn bytes_that_are_no_value_are_an_error() {
    fn refused<T: DeserializeOwned + Debug>(bytes: &[u8]) {
        decode::<T>(bytes).unwrap_err();
    }
    refused::<bool>(&[2]);
    refused::<Option<u8>>(&[7, 0]);
    refused::<char>(&0xd800_u32.to_ne_bytes());
    refused::<Shape>(&4_u32.to_ne_bytes());
    refused::<String>(&encoded(&[0xff_u8, 0xff].as_slice()));
    // Nobody allocates what a length promises: 32 GiB.
    refused::<Vec<u64>>(&u32::MAX.to_ne_bytes());
    refused::<String>(&u32::MAX.to_ne_bytes());
    refused::<BTreeMap<u64, u64>>(&u32::MAX.to_ne_bytes());
}

#[test]
fn a_type_that_asks_what_follows_is_told_that_nobody_knows() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u8),
    }
    let bytes = encoded(&Untagged::Number(1));
    let error = decode::<Untagged>(&bytes).unwrap_err();
    assert_eq!(error, CodecError::NotSelfDescribing);
}

#[test]
fn a_sequence_must_know_its_length() {
    struct Endless;
    impl Serialize for Endless {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((0_u8..).take_while(|&number| number < 3))
        }
    }
    let error = encode(&Endless, &mut Vec::new()).unwrap_err();
    assert_eq!(error, CodecError::NoLength);
}

//! The atomic integers.

use std::fmt;
use std::sync::atomic::Ordering;

use interleave_search::Change;

use super::cell::{AtomicCell, Word};
use super::methods::common_methods;
use crate::kernel::object::Kind;

macro_rules! atomic_int {
    ($name:ident, $int:ty, $signed:expr, $pack:expr, $unpack:expr) => {
        #[doc = concat!("An atomic integer, as [`std::sync::atomic::", stringify!($name), "`].")]
        #[repr(transparent)]
        pub struct $name(pub(crate) AtomicCell<$int>);

        impl Word for $int {
            const KIND: Kind = Kind::AtomicInt(stringify!($name), Self::BITS, $signed);
            const BITS: u32 = <$int>::BITS;
            fn pack(self) -> u64 {
                $pack(self)
            }
            fn unpack(bits: u64) -> Self {
                $unpack(bits)
            }
        }

        impl $name {
            common_methods!($int);

            /// Adds, wrapping around; returns the old value.
            #[track_caller]
            pub fn fetch_add(&self, value: $int, order: Ordering) -> $int {
                let at = std::panic::Location::caller();
                self.0
                    .rmw("fetch_add", value, Change::Add(value.pack()), order, at)
            }

            /// Subtracts, wrapping around; returns the old value.
            #[track_caller]
            pub fn fetch_sub(&self, value: $int, order: Ordering) -> $int {
                let at = std::panic::Location::caller();
                self.0.rmw(
                    "fetch_sub",
                    value,
                    Change::Add(value.wrapping_neg().pack()),
                    order,
                    at,
                )
            }

            /// Bitwise "and"; returns the old value.
            #[track_caller]
            pub fn fetch_and(&self, value: $int, order: Ordering) -> $int {
                let at = std::panic::Location::caller();
                self.0
                    .rmw("fetch_and", value, Change::And(value.pack()), order, at)
            }

            /// Bitwise "not and"; returns the old value.
            #[track_caller]
            pub fn fetch_nand(&self, value: $int, order: Ordering) -> $int {
                let at = std::panic::Location::caller();
                self.0
                    .rmw_loop("fetch_nand", order, at, |old| !(old & value))
            }

            /// Bitwise "or"; returns the old value.
            #[track_caller]
            pub fn fetch_or(&self, value: $int, order: Ordering) -> $int {
                let at = std::panic::Location::caller();
                self.0
                    .rmw("fetch_or", value, Change::Or(value.pack()), order, at)
            }

            /// Bitwise "exclusive or"; returns the old value.
            #[track_caller]
            pub fn fetch_xor(&self, value: $int, order: Ordering) -> $int {
                let at = std::panic::Location::caller();
                self.0
                    .rmw("fetch_xor", value, Change::Xor(value.pack()), order, at)
            }

            /// The greater of the two; returns the old value.
            #[track_caller]
            pub fn fetch_max(&self, value: $int, order: Ordering) -> $int {
                let at = std::panic::Location::caller();
                self.0
                    .rmw_loop("fetch_max", order, at, |old| old.max(value))
            }

            /// The smaller of the two; returns the old value.
            #[track_caller]
            pub fn fetch_min(&self, value: $int, order: Ordering) -> $int {
                let at = std::panic::Location::caller();
                self.0
                    .rmw_loop("fetch_min", order, at, |old| old.min(value))
            }
        }

        impl std::panic::RefUnwindSafe for $name {}

        impl Default for $name {
            #[track_caller]
            fn default() -> Self {
                Self::new(0)
            }
        }

        impl From<$int> for $name {
            #[track_caller]
            fn from(value: $int) -> Self {
                Self::new(value)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.peek().fmt(f)
            }
        }
    };
}

/// An integer is kept as its bits, with zeros above them. The casts take
/// exactly these bits.
macro_rules! ints {
    ($($name:ident $int:ty, $unsigned:ty, $signed:expr;)*) => {
        $(atomic_int!(
            $name,
            $int,
            $signed,
            |value: $int| u64::try_from(value as $unsigned).unwrap_or(0),
            |bits: u64| bits as $int
        );)*
    };
}

ints! {
    AtomicU8 u8, u8, false;
    AtomicU16 u16, u16, false;
    AtomicU32 u32, u32, false;
    AtomicU64 u64, u64, false;
    AtomicUsize usize, usize, false;
    AtomicI8 i8, u8, true;
    AtomicI16 i16, u16, true;
    AtomicI32 i32, u32, true;
    AtomicI64 i64, u64, true;
    AtomicIsize isize, usize, true;
}

//! Types whose values may lie in memory that another process writes.

/// A type for which every bit pattern is a valid value, and whose value
/// consists only of its bits. It contains no pointer, no reference, no `bool`,
/// no enum and no padding.
///
/// # Safety
/// The type must have this property, because the other process may write any
/// bits.
pub unsafe trait Plain: Copy + Send + 'static {}

macro_rules! plain {
    ($($number:ty)*) => {
        $(
            // SAFETY: every bit pattern is a valid number.
            unsafe impl Plain for $number {}
        )*
    };
}

plain!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64);

// SAFETY: its elements are plain, and there is no padding between them.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

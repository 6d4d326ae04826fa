//! Values that may lie in memory which another process writes.

/// A type whose every pattern of bits is a valid value, and whose value is
/// nothing but its bits: no pointer, no reference, no `bool`, no enum, no
/// padding.
///
/// # Safety
/// That must be true: the other process may write any bits.
pub unsafe trait Plain: Copy + Send + 'static {}

macro_rules! plain {
    ($($number:ty)*) => {
        $(
            // SAFETY: every pattern of bits is a number.
            unsafe impl Plain for $number {}
        )*
    };
}

plain!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64);

// SAFETY: its elements are plain, and there is nothing between them.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

//! Asks the compiler whether a type implements a trait.

/// Whether a type implements a trait: `implements!(Guard<'static, u8>: Send)`.
///
/// For mistakes such as a missing or an excessive bound. A test that must not
/// compile would take a compiler run of seconds; this macro is a constant. It
/// works by name resolution: the compiler prefers an inherent constant, which
/// exists only if the bound holds, to the constant of a trait.
///
/// ```
/// use std::cell::Cell;
/// assert!(proctor::implements!(Vec<u8>: Send));
/// assert!(!proctor::implements!(&'static Cell<u8>: Send));
/// ```
#[macro_export]
macro_rules! implements {
    ($kind:ty: $($bound:tt)+) => {{
        trait Otherwise {
            const ANSWER: bool = false;
        }
        impl<T: ?::core::marker::Sized> Otherwise for T {}
        struct Ask<T: ?::core::marker::Sized>(::core::marker::PhantomData<T>);
        #[allow(dead_code)]
        impl<T: ?::core::marker::Sized + $($bound)+> Ask<T> {
            const ANSWER: bool = true;
        }
        <Ask<$kind>>::ANSWER
    }};
}

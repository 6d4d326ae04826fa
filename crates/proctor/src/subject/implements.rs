//! A question to the compiler, answered at run time.

/// Whether a type implements a trait: `implements!(Guard<'static, u8>: Send)`.
///
/// Where a missing or excessive bound is the mistake, a test that must not
/// compile would take a compiler run of seconds; this is a constant. It works
/// by method resolution: an inherent constant, which exists only under the
/// bound, is preferred to a trait's.
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

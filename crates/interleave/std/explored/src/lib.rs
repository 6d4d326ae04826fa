//! The `std` of explored code.
//!
//! An *explored* crate compiles the learner's file once more, against this crate under the name
//! `std`:
//!
//! ```toml
//! [lib]
//! path = "../src/lib.rs"
//!
//! [dependencies]
//! std = { package = "interleave-std", path = "…" }
//! core = { package = "interleave-core", path = "…" }
//! ```
//!
//! Everything that is not modelled comes from the real std: the glob below imports it, and the
//! names after it take precedence.

pub use ::std::*;

pub use interleave_model::{Tracked, futex, hint, panic, sync, thread, thread_local, time};

/// The preludes: what a file can use without importing it. The real preludes bring their own
/// `thread_local!`.
pub mod prelude {
    macro_rules! preludes {
        ($($edition:ident)*) => {$(
            /// The prelude of one edition.
            pub mod $edition {
                pub use ::std::prelude::$edition::*;
                pub use interleave_model::thread_local;
            }
        )*};
    }
    preludes! { v1 rust_2015 rust_2018 rust_2021 rust_2024 }
}

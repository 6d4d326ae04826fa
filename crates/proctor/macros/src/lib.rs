//! The attribute `#[proctor::test]` and the macro `proctor::exercise!`.
//!
//! Use them through [`proctor`](../proctor/index.html), whose documentation
//! explains what they mean.

mod exercise;
mod test;

use proc_macro::TokenStream;

/// Makes a function a test that is judged from outside.
///
/// ```ignore
/// #[proctor::test(subject = |n: u64| exercise::square(n))]
/// fn squares(mut subject: Subject) {
///     assert_eq!(subject.ask(&3).value, 9);
/// }
/// ```
///
/// Each `name = closure` is a *subject*: a closure without captures, from one
/// question to one answer, that runs in a process of its own. The function is
/// the *judge* and has a parameter of the same name for each of them.
///
/// `clauses = [1, 4]` says which clauses of the exercise's contract the test
/// looks at, and `slow = true` that it takes seconds: `cargo course` shows its
/// verdict after the others.
///
/// Settings go beside the subjects, all optional: `deadline = 5.0` (seconds
/// of wall-clock time per question), `memory = 512` (MiB of address space),
/// `descriptors = 64` (open at a time), `processes = 64` (alive at a time),
/// `orphans = true` (processes may outlive the answer), `core_files = true`
/// (a process that a signal kills may leave a core file), `faults = [Pipe]`
/// (kinds of calls that the judge may make fail).
#[proc_macro_attribute]
pub fn test(attribute: TokenStream, item: TokenStream) -> TokenStream {
    test::expand(attribute.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Names the library that a test file judges: `proctor::exercise!(spin_lock);`
///
/// One test file serves several packages: the exercise, its reference solution,
/// and every right or wrong variant. Each of them has a library with a name of
/// its own. This macro brings the library of the package under test into scope
/// under the one name that the tests use.
#[proc_macro]
pub fn exercise(input: TokenStream) -> TokenStream {
    exercise::expand(input.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

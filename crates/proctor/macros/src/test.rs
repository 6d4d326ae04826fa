//! `#[proctor::test(…)]`: one function, two parts.
//!
//! ```text
//! #[proctor::test(subject = |q: Q| …)]      #[cfg_attr(test, test)]
//! fn name(mut subject: Subject) {     ──▶   fn name() {
//!     body                                      run(site, settings, |parts| {
//! }                                                 let mut subject = parts.subject("subject", |q: Q| …);
//!                                                   parts.begin();   // the subject's process never returns from here
//!                                                   #[cfg(test)]
//!                                                   body
//!                                               });
//!                                           }
//! ```
//!
//! Built as a test (`cfg(test)`), it is what libtest runs. Built as a program
//! (an example, without `cfg(test)`), it is a subject without a judge: the
//! expected values are not in it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Error, Expr, ExprArray, ExprLit, FnArg, Ident, ItemFn, Lit, Pat, Path, ReturnType, Token, Type,
    Visibility,
};

/// One `key = value` of the attribute.
struct Entry {
    key: Ident,
    value: Expr,
}

impl Parse for Entry {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let key = input.parse()?;
        input.parse::<Token![=]>()?;
        Ok(Entry {
            key,
            value: input.parse()?,
        })
    }
}

struct Entries(Punctuated<Entry, Token![,]>);

impl Parse for Entries {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        Punctuated::parse_terminated(input).map(Entries)
    }
}

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let entries: Entries = syn::parse2(attribute)?;
    let function: ItemFn = syn::parse2(item)?;
    refuse_what_cannot_be_judged(&function)?;

    let mut subjects = Vec::new();
    let mut settings = Vec::new();
    for entry in entries.0 {
        match &entry.value {
            Expr::Closure(_) => subjects.push(entry),
            Expr::Array(numbers) if entry.key == "clauses" => clauses(numbers)?,
            Expr::Array(kinds) if entry.key == "faults" => settings.push(faults(kinds)?),
            Expr::Lit(_) if entry.key == "slow" => slow(&entry)?,
            Expr::Lit(_) => settings.push(setting(&entry)?),
            other => {
                return Err(Error::new(
                    other.span(),
                    "write a subject as a closure: `subject = |question: Q| answer`",
                ));
            }
        }
    }
    if subjects.is_empty() {
        return Err(Error::new(
            function.sig.ident.span(),
            "name at least one subject: #[proctor::test(subject = |question: Q| answer)]",
        ));
    }

    let parts = parameters(&function, &subjects)?;
    let (attributes, visibility, name) = (&function.attrs, &function.vis, &function.sig.ident);
    let body = &function.block;
    let subject_lines = parts.iter().map(|(mutability, ident, kind, closure)| {
        let label = ident.to_string();
        quote! {
            #[allow(unused_mut, unused_variables)]
            let #mutability #ident: #kind<_, _> = __parts.subject(#label, #closure);
        }
    });
    // Libtest runs a test that is ignored only if it is asked to.
    let watched = !attributes
        .iter()
        .any(|attribute| attribute.path().is_ident("ignore"));
    let announcement = watched.then(announcement);
    let visibility = match visibility {
        // The `main` of a program without a judge calls it from the root.
        Visibility::Inherited => quote! { pub(crate) },
        visibility => quote! { #visibility },
    };
    Ok(quote! {
        #(#attributes)*
        #[cfg_attr(test, ::core::prelude::v1::test)]
        #visibility fn #name() {
            const __SITE: ::proctor::__private::Site = ::proctor::__private::Site {
                name: ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name)),
                file: ::core::file!(),
                line: ::core::line!(),
            };
            #announcement
            ::proctor::__private::run(
                __SITE,
                ::proctor::__private::Settings { #(#settings,)* ..::proctor::__private::Settings::DEFAULT },
                |__parts| {
                    #(#subject_lines)*
                    __parts.begin();
                    #[cfg(test)]
                    #body
                },
            );
        }
    })
}

/// Tells the watcher, before `main`, that this test exists.
fn announcement() -> TokenStream {
    quote! {
        #[cfg(test)]
        const _: () = {
            unsafe extern "C" fn __announce(
                _: ::core::ffi::c_int,
                _: *const *const ::core::ffi::c_char,
                _: *const *const ::core::ffi::c_char,
            ) {
                ::proctor::__private::announce(__SITE.name);
            }
            #[used]
            #[unsafe(link_section = ".preinit_array")]
            static __BEFORE_MAIN: ::proctor::__private::Preinit = __announce;
        };
    }
}

fn refuse_what_cannot_be_judged(function: &ItemFn) -> syn::Result<()> {
    let signature = &function.sig;
    if let Some(asyncness) = &signature.asyncness {
        return Err(Error::new(
            asyncness.span(),
            "a judged test cannot be async: remove `async`",
        ));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new(
            signature.generics.span(),
            "a judged test cannot have generic parameters: remove them",
        ));
    }
    if let ReturnType::Type(_, kind) = &signature.output {
        return Err(Error::new(
            kind.span(),
            "a judged test cannot return a value: use assertions in its body",
        ));
    }
    for attribute in &function.attrs {
        if attribute.path().is_ident("should_panic") {
            return Err(Error::new(
                attribute.span(),
                "should_panic would accept any panic, also one of the judge itself: use subject.try_ask and match on how the subject ended",
            ));
        }
        if attribute.path().is_ident("test") {
            return Err(Error::new(
                attribute.span(),
                "#[proctor::test] makes the test itself: remove this #[test]",
            ));
        }
    }
    Ok(())
}

/// Checks the list of the contract's clauses that a test looks at. The macro
/// does not use the list: the course reads it from the source.
fn clauses(numbers: &ExprArray) -> syn::Result<()> {
    for number in &numbers.elems {
        let is_number = matches!(
            number,
            Expr::Lit(ExprLit {
                lit: Lit::Int(_),
                ..
            })
        );
        if !is_number {
            return Err(Error::new(
                number.span(),
                "`clauses` takes the numbers of the contract's clauses, such as `clauses = [1, 4]`",
            ));
        }
    }
    Ok(())
}

/// The kinds of calls that the judge may make fail.
fn faults(kinds: &ExprArray) -> syn::Result<TokenStream> {
    let mut paths = Vec::new();
    for kind in &kinds.elems {
        match kind {
            Expr::Path(path) => paths.push(&path.path),
            other => {
                return Err(Error::new(
                    other.span(),
                    "`faults` takes kinds of `proctor::Fault`, such as `faults = [Pipe, Wait]`",
                ));
            }
        }
    }
    Ok(quote! { faults: &[#(::proctor::Fault::#paths),*] })
}

/// Checks the mark of a test that takes seconds. This, too, only the course
/// uses.
fn slow(entry: &Entry) -> syn::Result<()> {
    match &entry.value {
        Expr::Lit(ExprLit {
            lit: Lit::Bool(_), ..
        }) => Ok(()),
        other => Err(Error::new(other.span(), "`slow` must be true or false")),
    }
}

fn setting(entry: &Entry) -> syn::Result<TokenStream> {
    let (key, value) = (&entry.key, &entry.value);
    let Expr::Lit(literal) = value else {
        return Err(Error::new(
            value.span(),
            "the value of a setting must be a literal",
        ));
    };
    let (expected, fits) = match key.to_string().as_str() {
        "deadline" => (
            "a number of seconds with a decimal point, such as `deadline = 5.0`",
            matches!(literal.lit, Lit::Float(_)),
        ),
        "memory" | "descriptors" | "processes" => {
            ("a whole number", matches!(literal.lit, Lit::Int(_)))
        }
        "orphans" | "core_files" => ("true or false", matches!(literal.lit, Lit::Bool(_))),
        _ => (
            "one of clauses, slow, faults, deadline, memory, descriptors, processes, orphans and core_files, or else the name of a subject with a closure as its value",
            false,
        ),
    };
    if fits {
        Ok(quote! { #key: #value })
    } else {
        Err(Error::new(
            entry.key.span(),
            format!("`{key}` must be {expected}"),
        ))
    }
}

/// `mut`, the name, the type as written, the closure.
type Part<'a> = (Option<Token![mut]>, &'a Ident, &'a Path, &'a Expr);

/// Pairs the judge's parameters with the subjects of the same names.
fn parameters<'a>(function: &'a ItemFn, subjects: &'a [Entry]) -> syn::Result<Vec<Part<'a>>> {
    let mut parts = Vec::new();
    for argument in &function.sig.inputs {
        let FnArg::Typed(typed) = argument else {
            return Err(Error::new(
                argument.span(),
                "a judged test must be a free function, without `self`",
            ));
        };
        let Pat::Ident(pattern) = &*typed.pat else {
            return Err(Error::new(
                typed.pat.span(),
                "name the subject here, as in `mut subject: Subject`",
            ));
        };
        let Some(entry) = subjects.iter().find(|entry| entry.key == pattern.ident) else {
            let known: Vec<_> = subjects.iter().map(|entry| entry.key.to_string()).collect();
            return Err(Error::new(
                pattern.ident.span(),
                format!(
                    "the attribute has no subject named `{}` (its subjects: {})",
                    pattern.ident,
                    known.join(", ")
                ),
            ));
        };
        let kind = match &*typed.ty {
            Type::Path(kind)
                if kind
                    .path
                    .segments
                    .iter()
                    .all(|part| part.arguments.is_none()) =>
            {
                &kind.path
            }
            other => {
                return Err(Error::new(
                    other.span(),
                    "write `Subject` as the type, without parameters: the types of the question and the answer follow from the closure",
                ));
            }
        };
        parts.push((pattern.mutability, &pattern.ident, kind, &entry.value));
    }
    for entry in subjects {
        if !parts.iter().any(|(_, ident, _, _)| **ident == entry.key) {
            return Err(Error::new(
                entry.key.span(),
                format!(
                    "the judge has no parameter for the subject `{0}`: add `mut {0}: Subject`",
                    entry.key
                ),
            ));
        }
    }
    Ok(parts)
}

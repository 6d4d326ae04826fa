//! `exercise!(name)`: the library of the package under test, under one name.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

pub(crate) fn expand(input: TokenStream) -> syn::Result<TokenStream> {
    let name: syn::Ident = syn::parse2(input)?;
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    let library = format_ident!("{}", package.replace('-', "_"), span = name.span());
    // The library is linked even if no test names it, so that its constructors
    // are linked too.
    let alias = if library == name {
        quote! { extern crate #name as _; }
    } else {
        quote! { extern crate #library as #name; }
    };
    Ok(quote! {
        #alias

        #[cfg(test)]
        #[used]
        #[unsafe(link_section = ".preinit_array")]
        static __WATCH: ::proctor::__private::Preinit = ::proctor::__private::preinit;
    })
}

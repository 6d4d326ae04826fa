//! `exercise!(name)`: the library of the package under test, under one name.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

pub(crate) fn expand(input: TokenStream) -> syn::Result<TokenStream> {
    let name: syn::Ident = syn::parse2(input)?;
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    let library = format_ident!("{}", package.replace('-', "_"), span = name.span());
    if library == name {
        return Ok(TokenStream::new());
    }
    Ok(quote! { extern crate #library as #name; })
}

//! Finds a piece of Rust source by the name of an item, so that the libraries
//! need no marks for the book.

use proc_macro2::Span;
use quote::ToTokens as _;
use syn::spanned::Spanned;
use syn::{Attribute, ImplItem, Item, TraitItem, Type};

/// The lines of an item, and which of them are its doc comments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    /// The first line, counted from 1, doc comments and attributes included.
    pub first: usize,
    pub last: usize,
    docs: Vec<(usize, usize)>,
}

/// Finds an item: `name`, `Type::method`, `impl Type`, `impl Trait for Type`, or
/// any of them in modules: `module::name`.
pub(crate) fn find(file: &syn::File, path: &str) -> Option<Lines> {
    search(&file.items, path)
}

fn search(items: &[Item], path: &str) -> Option<Lines> {
    let wanted_impl = path.strip_prefix("impl ");
    for item in items {
        if let Some(wanted) = wanted_impl {
            if let Item::Impl(block) = item
                && heading(block) == squeezed(wanted)
            {
                return Some(lines(item.span(), &block.attrs));
            }
        } else if let Some((outer, inner)) = path.split_once("::") {
            if let Some(found) = inside(item, outer, inner) {
                return Some(found);
            }
        } else if name(item).is_some_and(|name| name == path) {
            return Some(lines(item.span(), attributes(item)));
        }
        // Also inside modules that are not named, such as `mod sys { … }`.
        if let Item::Mod(module) = item
            && let Some((_, items)) = &module.content
            && let Some(found) = search(items, path)
        {
            return Some(found);
        }
    }
    None
}

fn inside(item: &Item, outer: &str, inner: &str) -> Option<Lines> {
    match item {
        Item::Impl(block) if type_name(&block.self_ty) == outer => {
            block.items.iter().find_map(|item| {
                let (name, attributes) = match item {
                    ImplItem::Fn(function) => (&function.sig.ident, &function.attrs),
                    ImplItem::Const(constant) => (&constant.ident, &constant.attrs),
                    _ => return None,
                };
                (name == inner).then(|| lines(item.span(), attributes))
            })
        }
        Item::Trait(block) if block.ident == outer => block.items.iter().find_map(|item| {
            let TraitItem::Fn(function) = item else {
                return None;
            };
            (function.sig.ident == inner).then(|| lines(item.span(), &function.attrs))
        }),
        Item::Mod(module) if module.ident == outer => search(&module.content.as_ref()?.1, inner),
        _ => None,
    }
}

/// `Drop for Child`, or `Child`, without generics and spaces.
fn heading(block: &syn::ItemImpl) -> String {
    let of = type_name(&block.self_ty);
    match &block.trait_ {
        Some((path, _)) => {
            let name = path
                .segments
                .last()
                .map(|segment| segment.ident.to_string());
            squeezed(&format!("{} for {of}", name.unwrap_or_default()))
        }
        None => of,
    }
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn type_name(of: &Type) -> String {
    match of {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .map_or_else(String::new, |segment| segment.ident.to_string()),
        Type::Reference(reference) => type_name(&reference.elem),
        other => other.to_token_stream().to_string(),
    }
}

fn name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Fn(item) => &item.sig.ident,
        Item::Struct(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Union(item) => &item.ident,
        Item::Const(item) => &item.ident,
        Item::Static(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Mod(item) => &item.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        _ => return None,
    };
    Some(ident.to_string())
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Fn(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Const(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        _ => &[],
    }
}

fn lines(span: Span, attributes: &[Attribute]) -> Lines {
    let docs = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .map(|attribute| (attribute.span().start().line, attribute.span().end().line))
        .collect();
    Lines {
        first: span.start().line,
        last: span.end().line,
        docs,
    }
}

impl Lines {
    /// The text of these lines, without common indentation, and without the
    /// item's own doc comments unless they are asked for.
    pub(crate) fn text(&self, source: &str, with_docs: bool) -> String {
        let is_doc = |number: usize| {
            !with_docs
                && self
                    .docs
                    .iter()
                    .any(|(first, last)| (*first..=*last).contains(&number))
        };
        let lines: Vec<&str> = source
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .filter(|(number, _)| (self.first..=self.last).contains(number) && !is_doc(*number))
            .map(|(_, line)| line)
            .collect();
        undented(&lines)
    }
}

/// The lines without the indentation that all of them have.
pub(crate) fn undented(lines: &[&str]) -> String {
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let common = lines
        .iter()
        .filter(|line| !line.trim().is_empty())
        .map(indent)
        .min();
    let common = common.unwrap_or(0);
    lines
        .iter()
        .map(|line| line.get(common..).unwrap_or_default().trim_end().to_owned() + "\n")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
/// A child.
pub struct Child { pid: i32 }

impl Child {
    /// Waits.
    ///
    /// Long.
    #[must_use]
    pub fn wait(&self) -> i32 {
        // why
        self.pid
    }
}

impl<T> Drop for Holder<T> {
    fn drop(&mut self) {}
}

mod sys {
    pub const PAGE: usize = 4096;
}
";

    fn text(path: &str, with_docs: bool) -> Option<String> {
        let file = syn::parse_file(SOURCE).unwrap();
        Some(find(&file, path)?.text(SOURCE, with_docs))
    }

    #[test]
    fn an_item_is_found_by_its_name() {
        assert_eq!(
            text("Child", false).unwrap(),
            "pub struct Child { pid: i32 }\n"
        );
        assert_eq!(
            text("Child::wait", false).unwrap(),
            "#[must_use]\npub fn wait(&self) -> i32 {\n    // why\n    self.pid\n}\n"
        );
        assert!(
            text("Child::wait", true)
                .unwrap()
                .starts_with("/// Waits.\n///\n")
        );
        assert!(
            text("impl Drop for Holder", false)
                .unwrap()
                .contains("fn drop")
        );
        assert!(
            text("impl Child", false)
                .unwrap()
                .starts_with("impl Child {")
        );
        let page = "pub const PAGE: usize = 4096;\n";
        assert_eq!(text("PAGE", false).as_deref(), Some(page));
        assert_eq!(text("sys::PAGE", false).as_deref(), Some(page));
        assert_eq!(text("Child::run", false), None);
        assert_eq!(text("nothing", false), None);
    }
}

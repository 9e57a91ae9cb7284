//! The options of attributes, as they are read: `name = value`, `name(key = value, …)` or `name`.

use crate::mistakes::Mistakes;
use proc_macro2::{Span, TokenStream};
use std::collections::BTreeMap;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Expr, Ident, LitStr, Meta, MetaNameValue, Result, Token};

/// Hands each option to `set`, with its name. Gives where each was given.
pub(crate) fn each(
    tokens: TokenStream,
    mistakes: &mut Mistakes,
    mut set: impl FnMut(&str, &Meta) -> Result<()>,
) -> BTreeMap<String, Span> {
    let mut seen = BTreeMap::new();
    let parsed = Punctuated::<Meta, Token![,]>::parse_terminated.parse2(tokens);
    let Some(metas) = mistakes.keep(parsed) else { return seen };
    for meta in &metas {
        let name = name(meta);
        if seen.insert(name.clone(), meta.span()).is_some() {
            mistakes.merge(Error::new(meta.path().span(), format!("`{name}` is given twice")));
        } else if let Err(error) = set(&name, meta) {
            mistakes.merge(error);
        }
    }
    seen
}

fn name(meta: &Meta) -> String {
    meta.path().get_ident().map(ToString::to_string).unwrap_or_default()
}

/// There is no such option; there are these.
pub(crate) fn unknown(meta: &Meta, known: &[&str]) -> Error {
    let message = format!("unknown option `{}`; there are: {}", name(meta), known.join(", "));
    Error::new(meta.path().span(), message)
}

/// The value of `name = value`.
pub(crate) fn value(meta: &Meta) -> Result<&Expr> {
    let Meta::NameValue(MetaNameValue { value, .. }) = meta else {
        return Err(Error::new(meta.span(), format!("expected a value: `{} = …`", name(meta))));
    };
    Ok(value)
}

/// `name(key = value, …)`, with keys that are names or texts.
pub(crate) fn list(meta: &Meta, form: &str) -> Result<Vec<(String, Expr)>> {
    let Meta::List(list) = meta else { return Err(Error::new(meta.span(), format!("expected `{form}`"))) };
    let entry = |input: syn::parse::ParseStream<'_>| {
        let key = if input.peek(LitStr) {
            input.parse::<LitStr>()?.value()
        } else {
            input.parse::<Ident>()?.to_string()
        };
        input.parse::<Token![=]>()?;
        Ok((key, input.parse::<Expr>()?))
    };
    let entries = list.parse_args_with(|input: syn::parse::ParseStream<'_>| {
        Punctuated::<(String, Expr), Token![,]>::parse_terminated_with(input, entry)
    })?;
    Ok(entries.into_iter().collect())
}

/// That is not what is wanted there.
pub(crate) fn expected(meta: &Meta, what: &str) -> Error {
    let span = value(meta).map_or_else(|_| meta.span(), Spanned::span);
    Error::new(span, format!("expected {what}"))
}

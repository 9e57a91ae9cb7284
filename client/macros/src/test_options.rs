//! The options of `#[mobula::test(…)]`.

use proc_macro2::TokenStream;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprLit, Lit, Meta, Result, Token};

/// What was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TestOptions {
    /// Functions run in worker processes.
    pub(crate) workers: bool,
    /// How many nodes the test's cluster has.
    pub(crate) nodes: usize,
}

impl TestOptions {
    pub(crate) fn parse(tokens: TokenStream) -> Result<Self> {
        let mut options = TestOptions { workers: false, nodes: 1 };
        for meta in Punctuated::<Meta, Token![,]>::parse_terminated.parse2(tokens)? {
            match &meta {
                Meta::Path(path) if path.is_ident("workers") => options.workers = true,
                Meta::NameValue(pair) if pair.path.is_ident("nodes") => options.nodes = count(&pair.value)?,
                _ => {
                    let message = "#[mobula::test] knows the options `workers` and `nodes = N`";
                    return Err(Error::new_spanned(meta, message));
                }
            }
        }
        Ok(options)
    }
}

fn count(value: &Expr) -> Result<usize> {
    if let Expr::Lit(ExprLit { lit: Lit::Int(count), .. }) = value
        && let Ok(count @ 1..=64) = count.base10_parse::<usize>()
    {
        return Ok(count);
    }
    Err(Error::new_spanned(value, "a cluster inside a test has 1 to 64 nodes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn options_are_read() {
        let read = |tokens| TestOptions::parse(tokens).ok();
        assert_eq!(read(quote!()), Some(TestOptions { workers: false, nodes: 1 }));
        assert_eq!(read(quote!(workers)), Some(TestOptions { workers: true, nodes: 1 }));
        assert_eq!(read(quote!(workers, nodes = 3)), Some(TestOptions { workers: true, nodes: 3 }));
        for wrong in
            [quote!(nodes = 0), quote!(nodes = "2"), quote!(workers = true), quote!(node = 2), quote!(nodes)]
        {
            assert_eq!(read(wrong.clone()), None, "{wrong}");
        }
    }
}

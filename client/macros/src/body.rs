//! What the bodies of functions and methods have in common: taking arguments out, and encoding what is returned.

use crate::signature::{Output, Parameter};
use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};
use syn::Path;
use syn::spanned::Spanned;

/// From `__output` to a `CallResult`.
pub(crate) fn encode(output: &Output, retry_on: Option<&Path>) -> TokenStream {
    let Output { fallible, several, list, .. } = output;
    let values = |output: TokenStream| match several {
        None if *list => quote!(__returns.list(&#output)),
        None => quote!(__returns.one(&#output)),
        Some(types) => {
            let positions = (0..types.len()).map(syn::Index::from);
            quote! {{
                let __values = #output;
                __returns.several() #(.value(&__values.#positions))* .finish()
            }}
        }
    };
    if !fallible {
        return values(quote!(__output));
    }
    let retryable = match retry_on {
        None => quote!(false),
        Some(path) => quote_spanned!(path.span()=> #path(&__error)),
    };
    let succeeded = values(quote!(__value));
    let failed = error_returned(&retryable);
    quote! {
        match __output {
            ::core::result::Result::Ok(__value) => #succeeded,
            ::core::result::Result::Err(__error) => { #failed }
        }
    }
}

/// From `__error` to a failed `CallResult`.
pub(crate) fn error_returned(retryable: &TokenStream) -> TokenStream {
    quote! {
        #[allow(unused_imports)]
        use ::mobula::__private::error_probe::*;
        let __retryable: bool = #retryable;
        let __description = (&&&ErrorProbe(&__error)).describe();
        let __payload = (&&ErrorProbe(&__error)).payload();
        ::mobula::__private::error_returned(&__error, __description, __payload, __retryable)
    }
}

/// What submitting a call returns.
pub(crate) fn references(output: &Output) -> TokenStream {
    let Output { value, several, .. } = output;
    match several {
        None => quote!(::mobula::ObjectRef<#value>),
        Some(types) => quote!((#(::mobula::ObjectRef<#types>,)*)),
    }
}

/// Takes the next argument out.
pub(crate) fn take(parameter: &Parameter, variable: &Ident) -> TokenStream {
    let owned = &parameter.owned;
    match &parameter.element {
        Some(element) => {
            quote_spanned!(owned.span()=> let #variable: #owned = __arguments.take_vec::<#element>()?;)
        }
        None => quote_spanned!(owned.span()=> let #variable: #owned = __arguments.take::<#owned>()?;),
    }
}

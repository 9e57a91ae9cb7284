//! The output of `#[mobula::main]` and `#[mobula::test]`.

use crate::test_options::TestOptions;
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, ItemFn};

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Main,
    Test,
}

impl Kind {
    fn attribute(self) -> &'static str {
        match self {
            Kind::Main => "#[mobula::main]",
            Kind::Test => "#[mobula::test]",
        }
    }
}

/// A plain function around the async one.
pub(crate) fn expand(kind: Kind, options: TokenStream, item: TokenStream) -> TokenStream {
    let function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            let message = format!("{} goes on an async function", kind.attribute());
            let error = Error::new_spanned(&item, message).into_compile_error();
            return quote!(#error #item);
        }
    };
    match checked(kind, options, &function) {
        Ok(output) => output,
        Err(error) => {
            // A function of that name all the same, so that its absence is not reported too.
            let error = error.into_compile_error();
            let name = &function.sig.ident;
            quote!(#error #[allow(unused)] fn #name() {})
        }
    }
}

fn checked(kind: Kind, options: TokenStream, function: &ItemFn) -> Result<TokenStream, Error> {
    let attribute = kind.attribute();
    let test = match kind {
        Kind::Test => TestOptions::parse(options)?,
        Kind::Main if options.is_empty() => TestOptions { workers: false, nodes: 1 },
        Kind::Main => return Err(Error::new_spanned(options, format!("{attribute} takes no options"))),
    };
    let signature = &function.sig;
    if signature.asyncness.is_none() {
        return Err(Error::new_spanned(signature.fn_token, format!("{attribute} needs an `async fn`")));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &signature.generics,
            format!("{attribute} needs a function without generics"),
        ));
    }
    if kind == Kind::Main && signature.ident != "main" {
        return Err(Error::new_spanned(&signature.ident, "#[mobula::main] goes on the program's `main`"));
    }
    if let Some(second) = signature.inputs.iter().nth(1) {
        let message = format!("{attribute} gives its function a `Cluster` and nothing else");
        return Err(Error::new_spanned(second, message));
    }
    if let Some(syn::FnArg::Receiver(receiver)) = signature.inputs.first() {
        return Err(Error::new_spanned(receiver, format!("{attribute} gives its function a `Cluster`")));
    }
    Ok(wrapped(kind, test, function))
}

/// Calls the test's runner: one with workers needs its path too, by which the test's program finds it again.
fn run_test(test: TestOptions, name: &syn::Ident, body: TokenStream) -> TokenStream {
    let nodes = test.nodes;
    if !test.workers {
        return quote!(::mobula::__private::run_test(#nodes, #body));
    }
    let path = quote!(::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name)));
    quote!(::mobula::__private::run_test_with_workers(#path, #nodes, #body))
}

fn wrapped(kind: Kind, test: TestOptions, function: &ItemFn) -> TokenStream {
    let ItemFn { attrs, vis, sig, block } = function;
    let (name, inputs, output) = (&sig.ident, &sig.inputs, &sig.output);
    let inner = quote! {
        async fn __mobula_body(#inputs) #output #block
    };
    // Spanned like the parameter's type, so that another type than `Cluster` is reported there.
    let given = inputs.first().map(|input| match input {
        syn::FnArg::Typed(parameter) => {
            quote_spanned!(parameter.ty.span()=> |__cluster: ::mobula::Cluster| __mobula_body(__cluster))
        }
        syn::FnArg::Receiver(_) => quote!(|_cluster| __mobula_body()),
    });
    match (kind, given) {
        (Kind::Main, Some(given)) => quote! {
            #(#attrs)* #vis fn #name() -> ::std::process::ExitCode {
                #inner
                ::mobula::__private::run_main(#given)
            }
        },
        (Kind::Main, None) => quote! {
            #(#attrs)* #vis fn #name() -> ::std::process::ExitCode {
                #inner
                ::mobula::__private::run_main_alone(__mobula_body)
            }
        },
        (Kind::Test, given) => {
            let body = given.unwrap_or_else(|| quote!(|_cluster| __mobula_body()));
            let run = run_test(test, name, body);
            quote! {
                #[::core::prelude::v1::test]
                #(#attrs)* #vis fn #name() #output {
                    #inner
                    #run
                }
            }
        }
    }
}

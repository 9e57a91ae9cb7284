//! The output of `#[mobula::remote]`.

use crate::body::{encode, references, take};
use crate::options::Options;
use crate::signature::Signature;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Error, ItemFn};

/// The function as it was, and beside it a struct of its name with `remote` and `remote_all`, and its registration.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            let message = "#[mobula::remote] goes on a function with a body, outside of `impl` blocks";
            let error = Error::new_spanned(&item, message).into_compile_error();
            return quote!(#error #item);
        }
    };
    let (options, mut mistakes) = Options::parse(options);
    let signature = mistakes.keep(Signature::of(&function, &options));
    if let (Some(path), Some(signature)) = (&options.retry_on, &signature)
        && !signature.output.fallible
    {
        mistakes.add(path, "`retry_on` needs a function that returns a `Result`");
    }
    match (mistakes.into_result(), signature) {
        (Ok(()), Some(signature)) => Remote { function, options, signature }.output(),
        (mistakes, _) => {
            let errors = mistakes.err().map(Error::into_compile_error);
            quote!(#function #errors)
        }
    }
}

struct Remote {
    function: ItemFn,
    options: Options,
    signature: Signature,
}

impl Remote {
    fn output(&self) -> TokenStream {
        let function = &self.function;
        let handle = self.handle();
        let visibility = &function.vis;
        let copied = self.copied_attributes();
        let (cfgs, documentation) = (&copied.cfgs, &copied.documentation);
        let (registration, run, caller) = (self.registration(), self.run(), self.caller());
        quote! {
            #function

            #(#cfgs)* #(#documentation)*
            #[allow(non_camel_case_types)]
            #[derive(Clone, Copy, Debug)]
            #visibility struct #handle {}

            #(#cfgs)*
            const _: () = {
                #registration
                #run
                #caller
            };
        }
    }

    fn handle(&self) -> Ident {
        self.options.handle.clone().unwrap_or_else(|| self.function.sig.ident.clone())
    }

    fn copied_attributes(&self) -> Copied {
        let named = |name: &str| -> Vec<Attribute> {
            self.function.attrs.iter().filter(|attribute| attribute.path().is_ident(name)).cloned().collect()
        };
        let mut documentation = named("doc");
        if documentation.is_empty() {
            let text = format!("The remote function `{}`.", self.function.sig.ident);
            documentation.push(syn::parse_quote!(#[doc = #text]));
        }
        Copied { cfgs: named("cfg"), documentation }
    }

    fn registration(&self) -> TokenStream {
        let name = self.function.sig.ident.unraw().to_string();
        let (hash, text) = (self.signature.hash(), &self.signature.text);
        let kind = if self.is_async() { quote!(Async) } else { quote!(Blocking) };
        let options = self.options.body();
        let line = quote_spanned!(self.function.sig.ident.span()=> ::core::line!());
        quote! {
            #[::mobula::__private::linkme::distributed_slice(::mobula::__private::FUNCTIONS)]
            #[linkme(crate = ::mobula::__private::linkme)]
            static FUNCTION: ::mobula::__private::RemoteFunction = ::mobula::__private::RemoteFunction::new(
                ::core::concat!(::core::module_path!(), "::", #name),
                ::core::env!("CARGO_PKG_VERSION"),
                (#hash, #text),
                ::core::concat!(::core::file!(), ":", #line),
                ::mobula::__private::Body::#kind(__mobula_run),
                __mobula_options,
            );

            fn __mobula_options() -> ::mobula::__private::TaskOptions {
                #options
            }
        }
    }

    fn is_async(&self) -> bool {
        self.function.sig.asyncness.is_some()
    }

    /// The body that a host runs: takes the arguments out, calls the function, encodes what it returns.
    fn run(&self) -> TokenStream {
        let name = &self.function.sig.ident;
        let parameters = &self.signature.parameters;
        let decoded: Vec<Ident> =
            (0..parameters.len()).map(|index| format_ident!("__argument_{index}")).collect();
        let takes = parameters.iter().zip(&decoded).map(|(parameter, variable)| take(parameter, variable));
        let given = parameters
            .iter()
            .zip(&decoded)
            .map(|(parameter, variable)| if parameter.lent { quote!(&#variable) } else { quote!(#variable) });
        let encode = encode(&self.signature.output, self.options.retry_on.as_ref());
        let take_all = quote! {
            #(#takes)*
            let __returns = __arguments.finish()?;
        };
        if self.is_async() {
            let boxed = quote_spanned! {name.span()=>
                ::mobula::__private::run_async(__call, |mut __arguments| {
                    #take_all
                    ::core::result::Result::Ok(async move {
                        let __output = #name(#(#given),*).await;
                        #encode
                    })
                })
            };
            return quote! {
                #[allow(unused_mut, clippy::all)]
                fn __mobula_run(__call: ::mobula::__private::Call) -> ::mobula::__private::AsyncCall {
                    #boxed
                }
            };
        }
        quote! {
            #[allow(unused_mut, clippy::all)]
            fn __mobula_run(__call: ::mobula::__private::Call) -> ::mobula::__private::CallResult {
                ::mobula::__private::run_blocking(__call, |mut __arguments| {
                    #take_all
                    let __output = #name(#(#given),*);
                    ::core::result::Result::Ok({ #encode })
                })
            }
        }
    }

    /// `remote` and `remote_all`.
    fn caller(&self) -> TokenStream {
        let handle = self.handle();
        let references = references(&self.signature.output);
        let names: Vec<&Ident> = self.signature.parameters.iter().map(|parameter| &parameter.name).collect();
        let types: Vec<_> = self.signature.parameters.iter().map(|parameter| &parameter.owned).collect();
        let pushes = names.iter().zip(&types).map(|(name, ty)| {
            quote_spanned!(ty.span()=> __builder.argument::<#ty>(::mobula::IntoArg::<#ty>::into_arg(#name));)
        });
        let name = self.function.sig.ident.unraw();
        let visibility = &self.function.vis;
        let document = format!(
            "A call of [`{name}`](fn@{name}) on the cluster: a value or a reference for each parameter. Nothing is sent \
             before `submit`."
        );
        let remote_all = self.remote_all(&types, &references);
        quote! {
            #[allow(dead_code, clippy::too_many_arguments)]
            impl #handle {
                #[doc = #document]
                #visibility fn remote(
                    #(#names: impl ::mobula::IntoArg<#types>),*
                ) -> ::mobula::RemoteCall<#references> {
                    #[allow(unused_mut)]
                    let mut __builder = ::mobula::__private::CallBuilder::new(&FUNCTION);
                    #(#pushes)*
                    __builder.finish()
                }
                #remote_all
            }
        }
    }

    fn remote_all(&self, types: &[&syn::Type], references: &TokenStream) -> Option<TokenStream> {
        let visibility = &self.function.vis;
        let each: Vec<Ident> = (0..types.len()).map(|index| format_ident!("A{index}")).collect();
        let values: Vec<Ident> = (0..types.len()).map(|index| format_ident!("__value_{index}")).collect();
        let (item, pattern) = match types.len() {
            0 => return None,
            1 => (quote!(A0), quote!(__value_0)),
            _ => (quote!((#(#each),*)), quote!((#(#values),*))),
        };
        let name = self.function.sig.ident.unraw();
        let document = format!(
            "One call of [`{name}`](fn@{name}) for each item (a tuple where the function has several parameters), with a \
             bounded number of them not yet accepted. Awaiting it gives the references in order."
        );
        Some(quote! {
            #[doc = #document]
            #visibility fn remote_all<__Items, #(#each),*>(
                items: __Items,
            ) -> ::mobula::RemoteAll<impl ::core::iter::Iterator<Item = ::mobula::RemoteCall<#references>>>
            where
                __Items: ::core::iter::IntoIterator<Item = #item>,
                #(#each: ::mobula::IntoArg<#types>,)*
            {
                let __calls = ::core::iter::IntoIterator::into_iter(items).map(|#pattern| Self::remote(#(#values),*));
                ::mobula::RemoteAll::new(__calls)
            }
        })
    }
}

struct Copied {
    cfgs: Vec<Attribute>,
    documentation: Vec<Attribute>,
}

//! The class's registration: its constructors and methods as functions that can be announced, and their bodies.

use super::Actor;
use super::member::{Callable, Constructor, Given, Method};
use crate::body::{encode, error_returned, take};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;

impl Actor {
    /// A static for each constructor and method, and the class.
    pub(super) fn class(&self) -> TokenStream {
        let ty = &self.ty;
        let creation = self.options.body();
        let constructors = self.members.constructors.iter().map(|constructor| {
            let options = quote!(__mobula_creation_options);
            self.announced(&constructor.callable, &options)
        });
        let methods = self.members.methods.iter().map(|method| {
            let function = options_name(&method.callable);
            let body = method.options.body(method.options.cast.map(|_| 0));
            let (announced, cfgs) =
                (self.announced(&method.callable, &quote!(#function)), &method.callable.cfgs);
            quote! {
                #(#cfgs)*
                fn #function() -> ::mobula::__private::TaskOptions {
                    #body
                }
                #announced
            }
        });
        let registered = self.members.constructors.iter().map(|constructor| self.constructor(constructor));
        let called = self.members.methods.iter().map(|method| self.method(method));
        let hooks = self.members.hooks.iter().map(|hook| self.hook(hook));
        let name = ty.unraw().to_string();
        let line = quote_spanned!(ty.span()=> ::core::line!());
        quote! {
            fn __mobula_creation_options() -> ::mobula::__private::TaskOptions {
                #creation
            }
            #(#constructors)*
            #(#methods)*

            #[::mobula::__private::linkme::distributed_slice(::mobula::__private::CLASSES)]
            #[linkme(crate = ::mobula::__private::linkme)]
            static __MOBULA_CLASS: ::mobula::__private::ActorClass = ::mobula::__private::ActorClass::new(
                ::core::concat!(::core::module_path!(), "::", #name),
                ::core::concat!(::core::file!(), ":", #line),
                __mobula_class,
            );

            #[allow(clippy::all, clippy::pedantic, unused_mut, unused_variables)]
            fn __mobula_class() -> ::mobula::__private::actor::BuiltClass {
                let mut __class = ::mobula::__private::actor::ClassBuilder::new(__MOBULA_CLASS.name());
                #(#registered)*
                #(#called)*
                #(#hooks)*
                __class.finish()
            }
        }
    }

    /// What is announced of a constructor or a method.
    fn announced(&self, callable: &Callable, options: &TokenStream) -> TokenStream {
        let variable = static_name(callable);
        let cfgs = &callable.cfgs;
        let name = format!("{}::{}", self.ty.unraw(), callable.name.unraw());
        let (hash, text) = (callable.signature.hash(), &callable.signature.text);
        let line = quote_spanned!(callable.name.span()=> ::core::line!());
        let body = if callable.is_async { quote!(ASYNC) } else { quote!(INLINE) };
        quote! {
            #(#cfgs)*
            #[::mobula::__private::linkme::distributed_slice(::mobula::__private::FUNCTIONS)]
            #[linkme(crate = ::mobula::__private::linkme)]
            #[allow(non_upper_case_globals)]
            static #variable: ::mobula::__private::RemoteFunction = ::mobula::__private::RemoteFunction::new(
                ::core::concat!(::core::module_path!(), "::", #name),
                ::core::env!("CARGO_PKG_VERSION"),
                (#hash, #text),
                ::core::concat!(::core::file!(), ":", #line),
                ::mobula::__private::actor::#body,
                #options,
            );
        }
    }

    fn constructor(&self, constructor: &Constructor) -> TokenStream {
        let Constructor { callable, fallible, optional, blocking } = constructor;
        let ty = &self.ty;
        let (cfgs, variable) = (&callable.cfgs, static_name(callable));
        let takes = takes(callable);
        let context = callable.context_statement();
        let call = self.call(callable, None);
        let made = made(*fallible, *optional);
        let take_all = quote!(#takes __arguments.finish()?; #context);
        let state = self.state();
        let (body, function, run) = if callable.is_async {
            let run = quote!(::core::result::Result::Ok(async move { let __output = #call.await; #made }));
            ("Async", quote!(construct_async), run)
        } else {
            let run = quote!(let __output = #call; ::core::result::Result::Ok({ #made }));
            (if *blocking { "Blocking" } else { "Inline" }, quote!(construct), run)
        };
        let body = format_ident!("{body}");
        quote! {
            #(#cfgs)*
            __class.constructor(&#variable, ::mobula::__private::actor::ConstructorBody::#body(|__actor, __call| {
                ::mobula::__private::actor::#function(
                    __actor,
                    __call,
                    ::mobula::__private::actor::State::#state::<#ty>,
                    |mut __arguments, __context| { #take_all #run },
                )
            }));
        }
    }

    fn method(&self, method: &Method) -> TokenStream {
        let Method { callable, options, exclusive, receiver } = method;
        let (cfgs, variable) = (&callable.cfgs, static_name(callable));
        let takes = takes(callable);
        let context = callable.context_statement();
        let guard = self.guard(*exclusive);
        let this = if *exclusive { quote!(&mut *__this) } else { quote!(&*__this) };
        let call = self.call(callable, Some(this));
        let encode = match options.cast {
            Some(_) => cast(callable),
            None => encode(&callable.signature.output, options.retry_on.as_ref()),
        };
        let rules = options.rules();
        let access = if *exclusive { quote!(Exclusive) } else { quote!(Shared) };
        let (body, function, run) = if callable.is_async {
            let run = quote!(::core::result::Result::Ok(async move { let __output = #call.await; #encode }));
            ("Async", quote!(turn_async), run)
        } else {
            let body = if options.blocking.is_some() { "Blocking" } else { "Inline" };
            (body, quote!(turn), quote!(let __output = #call; ::core::result::Result::Ok({ #encode })))
        };
        let body = format_ident!("{body}");
        let is_shareable = (!exclusive).then(|| self.is_shareable(*receiver));
        quote! {
            #(#cfgs)*
            {
                #is_shareable
                __class.method(
                    &#variable,
                    ::mobula::__private::actor::Access::#access,
                    #rules,
                    ::mobula::__private::actor::MethodBody::#body(|__object, __call| {
                        ::mobula::__private::actor::#function(__object, __call, |__object, mut __arguments, __context| {
                            #takes
                            let __returns = __arguments.finish()?;
                            #context
                            #guard
                            #run
                        })
                    }),
                );
            }
        }
    }

    /// Whether several methods may borrow the actor at once.
    fn has_shared(&self) -> bool {
        let methods = self.members.methods.iter().map(|method| method.exclusive);
        let hooks = self.members.hooks.iter().map(|hook| hook.exclusive);
        methods.chain(hooks).any(|exclusive| !exclusive)
    }

    /// How the host keeps the actor: `State::shared` or `State::exclusive`.
    fn state(&self) -> TokenStream {
        if self.has_shared() { quote!(shared) } else { quote!(exclusive) }
    }

    /// The statement that borrows the actor as `__this` from `__object`.
    pub(super) fn guard(&self, exclusive: bool) -> TokenStream {
        let ty = &self.ty;
        match (exclusive, self.has_shared()) {
            (true, false) => quote!(let mut __this = __object.lock::<#ty>()?;),
            (true, true) => quote!(let mut __this = __object.write::<#ty>()?;),
            (false, _) => quote!(let __this = __object.read::<#ty>()?;),
        }
    }

    /// What fails to compile, at a `&self`, where the actor cannot be shared.
    pub(super) fn is_shareable(&self, receiver: Span) -> TokenStream {
        let ty = &self.ty;
        let message = format!(
            "`{ty}` is not `Sync`, and its `&self` methods run together: take `&mut self`, or hold what is shared in a \
             `Mutex`, an atomic or an `Arc` instead of a `RefCell`, `Cell` or `Rc`"
        );
        quote_spanned! {receiver=>
            const _: () = ::core::assert!(
                {
                    #[allow(unused_imports)]
                    use ::mobula::__private::actor::NotShareable as _;
                    <::mobula::__private::actor::IsShareable<#ty>>::YES
                },
                #message
            );
        }
    }

    /// `Type::function(…)`, with what was taken out.
    fn call(&self, callable: &Callable, this: Option<TokenStream>) -> TokenStream {
        let (ty, name) = (&self.ty, &callable.name);
        let given = callable.given.iter().map(|given| match given {
            Given::Context { lent: true } => quote!(&__context),
            Given::Context { lent: false } => quote!(__context.clone()),
            Given::Argument(index) => {
                let variable = argument(*index);
                match callable.parameters().get(*index).is_some_and(|parameter| parameter.lent) {
                    true => quote!(&#variable),
                    false => quote!(#variable),
                }
            }
        });
        let all = this.into_iter().chain(given);
        quote_spanned!(name.span()=> #ty::#name(#(#all),*))
    }
}

/// The static of a constructor or a method.
pub(super) fn static_name(callable: &Callable) -> Ident {
    Ident::new(&format!("__MOBULA_{}", callable.name.unraw()), Span::call_site())
}

fn options_name(callable: &Callable) -> Ident {
    format_ident!("__mobula_options_{}", callable.name.unraw())
}

fn argument(index: usize) -> Ident {
    format_ident!("__argument_{index}")
}

fn takes(callable: &Callable) -> TokenStream {
    let takes = callable.parameters().iter().enumerate();
    takes.map(|(index, parameter)| take(parameter, &argument(index))).collect()
}

/// From `__output` to a `Result<Option<Self>, Failure>`.
fn made(fallible: bool, optional: bool) -> TokenStream {
    let some = |value: TokenStream| match optional {
        true => value,
        false => quote!(::core::option::Option::Some(#value)),
    };
    if !fallible {
        let value = some(quote!(__output));
        return quote!(::core::result::Result::Ok(#value));
    }
    let value = some(quote!(__value));
    let failed = error_returned(&quote!(false));
    quote! {
        match __output {
            ::core::result::Result::Ok(__value) => ::core::result::Result::Ok(#value),
            ::core::result::Result::Err(__error) => ::mobula::__private::actor::failed({ #failed }),
        }
    }
}

/// As `encode`, for a result that nobody gets.
fn cast(callable: &Callable) -> TokenStream {
    if !callable.signature.output.fallible {
        return quote!({
            let _nobody_waits = __output;
            __returns.several().finish()
        });
    }
    let failed = error_returned(&quote!(false));
    quote! {
        match __output {
            ::core::result::Result::Ok(_nobody_waits) => __returns.several().finish(),
            ::core::result::Result::Err(__error) => { #failed }
        }
    }
}

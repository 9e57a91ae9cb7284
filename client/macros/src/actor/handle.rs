//! The handle: a struct beside the `impl` block, with the constructors and methods as calls.

use super::Actor;
use super::class::static_name;
use super::member::{Callable, Method};
use crate::body::references;
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Visibility};

impl Actor {
    /// The struct.
    pub(super) fn declared_handle(&self) -> TokenStream {
        let (handle, ty, visibility) = (self.handle_name(), &self.ty, self.visibility());
        let document = format!(
            "A handle of a [`{ty}`] actor, which lives at least as long as its handles. Cheap to clone."
        );
        quote! {
            #[doc = #document]
            #[derive(Clone, Debug, PartialEq, Eq, Hash)]
            #visibility struct #handle(::mobula::__private::actor::ActorRef);
        }
    }

    fn visibility(&self) -> &Visibility {
        self.members.constructors.first().map_or(&Visibility::Inherited, |first| &first.callable.visibility)
    }

    /// Its functions and traits.
    pub(super) fn handle(&self) -> TokenStream {
        let handle = self.handle_name();
        let constructors =
            self.members.constructors.iter().map(|constructor| self.creation(&constructor.callable));
        let methods = self.members.methods.iter().map(|method| self.calling(method));
        quote! {
            #[allow(dead_code, unreachable_pub, clippy::too_many_arguments)]
            impl #handle {
                #(#constructors)*
                #(#methods)*
            }

            impl ::mobula::ActorHandle for #handle {
                fn class() -> &'static str {
                    __MOBULA_CLASS.name()
                }
                fn from_actor_ref(actor: ::mobula::__private::actor::ActorRef) -> Self {
                    Self(actor)
                }
                fn actor_ref(&self) -> &::mobula::__private::actor::ActorRef {
                    &self.0
                }
            }

            impl ::mobula::__private::serde::Serialize for #handle {
                fn serialize<S: ::mobula::__private::serde::Serializer>(
                    &self,
                    serializer: S,
                ) -> ::core::result::Result<S::Ok, S::Error> {
                    ::mobula::__private::actor::serialize(self, serializer)
                }
            }

            impl<'de> ::mobula::__private::serde::Deserialize<'de> for #handle {
                fn deserialize<D: ::mobula::__private::serde::Deserializer<'de>>(
                    deserializer: D,
                ) -> ::core::result::Result<Self, D::Error> {
                    ::mobula::__private::actor::deserialize(deserializer)
                }
            }

            impl ::mobula::IntoArg<#handle> for &#handle {
                fn into_arg(self) -> ::mobula::Arg<#handle> {
                    ::core::clone::Clone::clone(self).into()
                }
            }
        }
    }

    /// A constructor as an associated function of the handle.
    fn creation(&self, callable: &Callable) -> TokenStream {
        let (name, visibility, variable, cfgs) =
            (&callable.name, &callable.visibility, static_name(callable), &callable.cfgs);
        let documentation = documentation(callable, || {
            format!("An actor of [`{ty}::{name}`], to be given options and spawned.", ty = self.ty)
        });
        let (parameters, pushes) = arguments(callable);
        let result = quote_spanned!(name.span()=> ::mobula::Creation<Self>);
        quote! {
            #(#cfgs)*
            #(#documentation)*
            #visibility fn #name(#(#parameters),*) -> #result {
                #[allow(unused_mut)]
                let mut __builder = ::mobula::__private::CallBuilder::new(&#variable);
                #(#pushes)*
                ::mobula::__private::actor::creation(__builder)
            }
        }
    }

    /// A method as one of the handle.
    fn calling(&self, method: &Method) -> TokenStream {
        let callable = &method.callable;
        let (name, visibility, variable, cfgs) =
            (&callable.name, &callable.visibility, static_name(callable), &callable.cfgs);
        let documentation = documentation(callable, || {
            format!(
                "A call of [`{ty}::{name}`]. Nothing is sent before it is awaited or submitted.",
                ty = self.ty
            )
        });
        let (parameters, pushes) = arguments(callable);
        let references = match method.options.cast {
            Some(_) => quote!(()),
            None => references(&callable.signature.output),
        };
        quote! {
            #(#cfgs)*
            #(#documentation)*
            #visibility fn #name(&self #(, #parameters)*) -> ::mobula::ActorCall<#references> {
                #[allow(unused_mut)]
                let mut __builder = ::mobula::__private::CallBuilder::new(&#variable);
                #(#pushes)*
                ::mobula::__private::actor::call(__builder, &self.0)
            }
        }
    }
}

/// What the user wrote, or this.
fn documentation(callable: &Callable, text: impl Fn() -> String) -> Vec<Attribute> {
    if !callable.documentation.is_empty() {
        return callable.documentation.clone();
    }
    let text = text();
    vec![syn::parse_quote!(#[doc = #text])]
}

/// The parameters of the function on the handle, and the statements that hand them to `__builder`.
fn arguments(callable: &Callable) -> (Vec<TokenStream>, Vec<TokenStream>) {
    let parameters = callable.parameters();
    let declared = parameters.iter().map(|parameter| {
        let (name, ty): (&Ident, _) = (&parameter.name, &parameter.owned);
        quote!(#name: impl ::mobula::IntoArg<#ty>).into_token_stream()
    });
    let pushes = parameters.iter().map(|parameter| {
        let (name, ty) = (&parameter.name, &parameter.owned);
        quote_spanned!(ty.span()=> __builder.argument::<#ty>(::mobula::IntoArg::<#ty>::into_arg(#name));)
    });
    (declared.collect(), pushes.collect())
}

//! The output of `#[mobula::actor]`: the `impl` block as it was, a handle beside it, and the class's registration.

mod class;
mod handle;
mod hooks;
mod member;
mod method_options;
mod options;

use crate::mistakes::Mistakes;
use hooks::HookKind;
use member::Members;
use options::Options;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{Attribute, Error, ItemImpl, PathArguments, Type};

/// A checked `impl` block.
pub(crate) struct Actor {
    /// The block without the attributes that are this macro's own.
    block: ItemImpl,
    /// The type.
    ty: Ident,
    options: Options,
    members: Members,
}

/// See `mobula::actor`.
pub(crate) fn expand(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut block: ItemImpl = match syn::parse2(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            let error = if syn::parse2::<syn::Item>(item.clone()).is_ok() {
                Error::new_spanned(&item, "#[mobula::actor] goes on the `impl` block of a type")
            } else {
                error
            };
            let error = error.into_compile_error();
            return quote!(#error #item);
        }
    };
    let (options, mut mistakes) = Options::parse(options);
    let ty = mistakes.keep(checked_type(&block));
    let members = match block.trait_ {
        None => mistakes.keep(Members::of(&mut block, ty.as_ref(), &options)),
        Some(_) => None,
    };
    if let (Some(members), Some((_, path))) = (&members, &options.health_period)
        && !members.hooks.iter().any(|hook| hook.kind == HookKind::Health)
    {
        mistakes.add(path, "there is no `health_check` that could run in this period");
    }
    match (mistakes.into_result(), ty, members) {
        (Ok(()), Some(ty), Some(members)) => Actor { block, ty, options, members }.output(),
        (mistakes, ..) => {
            let errors = mistakes.err().map(Error::into_compile_error);
            quote!(#block #errors)
        }
    }
}

fn checked_type(block: &ItemImpl) -> Result<Ident, Error> {
    let mut mistakes = Mistakes::default();
    if let Some((_, path, _)) = &block.trait_ {
        mistakes
            .add(path, "#[mobula::actor] goes on an `impl` block of the type's own, not on one of a trait");
    }
    if !block.generics.params.is_empty() {
        let message = "an actor cannot be generic: a worker finds its class by its name, and there is no one class of \
                       this name; make one type for each";
        mistakes.add(&block.generics, message);
    }
    if let Some(clause) = &block.generics.where_clause {
        mistakes.add(clause, "an actor's `impl` block cannot have a where clause");
    }
    let name = match &*block.self_ty {
        Type::Path(path) if path.qself.is_none() => match path.path.segments.last() {
            Some(last) if last.arguments == PathArguments::None => Some(last.ident.clone()),
            _ => None,
        },
        _ => None,
    };
    match (mistakes.into_result(), name) {
        (Ok(()), Some(name)) => Ok(name),
        (Err(error), _) => Err(error),
        (Ok(()), None) => {
            Err(Error::new_spanned(&block.self_ty, "an actor is a type with a name and without parameters"))
        }
    }
}

impl Actor {
    fn output(&self) -> TokenStream {
        let block = &self.block;
        let cfgs: Vec<&Attribute> =
            block.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")).collect();
        let (declared, handle) = (self.declared_handle(), self.handle());
        let class = self.class();
        quote! {
            // In a private module `pub` says what is remote, and nothing about who reaches it.
            #[allow(unreachable_pub)]
            #block

            #(#cfgs)*
            #declared

            #(#cfgs)*
            const _: () = {
                #class
                #handle
            };
        }
    }

    /// The handle's name.
    fn handle_name(&self) -> Ident {
        self.options.handle.clone().unwrap_or_else(|| format_ident!("{}Handle", self.ty))
    }
}

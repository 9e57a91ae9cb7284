//! The hooks of an actor: methods that its host calls, found by their names.

use super::Actor;
use super::member::{access, context_parameter};
use crate::mistakes::Mistakes;
use crate::signature::is_result;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, FnArg, ImplItemFn, ReturnType, Type};

/// Which hook.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HookKind {
    /// Behind the constructor, before the first call.
    Start,
    /// Before the actor ends.
    Stop,
    /// Something that the actor watches has exited.
    Down,
    /// Once a period.
    Health,
}

/// A checked hook.
pub(super) struct Hook {
    pub(super) kind: HookKind,
    pub(super) name: Ident,
    is_async: bool,
    /// `&mut self`.
    pub(super) exclusive: bool,
    receiver: Span,
    fallible: bool,
    given: Vec<HookGiven>,
}

/// What a hook is called with.
enum HookGiven {
    Context {
        lent: bool,
    },
    /// The reason, or what has exited.
    Event {
        lent: bool,
    },
}

impl HookKind {
    /// The hook of that name.
    pub(super) fn of(name: &Ident) -> Option<Self> {
        Some(match name.to_string().as_str() {
            "on_start" => HookKind::Start,
            "on_stop" => HookKind::Stop,
            "on_down" => HookKind::Down,
            "health_check" => HookKind::Health,
            _ => return None,
        })
    }

    /// What it may be told, for messages.
    fn event(self) -> Option<&'static str> {
        match self {
            HookKind::Start | HookKind::Health => None,
            HookKind::Stop => Some("`reason: &mobula::ExitReason`"),
            HookKind::Down => Some("`down: mobula::Down`"),
        }
    }
}

impl Hook {
    pub(super) fn of(kind: HookKind, function: &ImplItemFn) -> Result<Self, Error> {
        let mut mistakes = Mistakes::default();
        let signature = &function.sig;
        if !signature.generics.params.is_empty() || signature.generics.where_clause.is_some() {
            mistakes.add(&signature.generics, "a hook cannot be generic: its host calls it by its name");
        }
        let exclusive = mistakes.keep(access(function)).unwrap_or(true);
        let fallible = match &signature.output {
            ReturnType::Default => false,
            ReturnType::Type(_, ty) if is_result(ty) => true,
            ReturnType::Type(_, ty) => {
                if !matches!(&**ty, Type::Tuple(tuple) if tuple.elems.is_empty()) {
                    mistakes.add(ty, "a hook returns nothing, or a `Result<(), E>`");
                }
                false
            }
        };
        let mut given = Vec::new();
        for input in signature.inputs.iter().filter(|input| matches!(input, FnArg::Typed(_))) {
            let known = given.iter().any(|given| matches!(given, HookGiven::Event { .. }));
            match (context_parameter(input), kind.event()) {
                (Some(lent), _) => given.push(HookGiven::Context { lent }),
                (None, Some(_)) if !known => {
                    let lent =
                        matches!(input, FnArg::Typed(typed) if matches!(&*typed.ty, Type::Reference(_)));
                    given.push(HookGiven::Event { lent });
                }
                (None, event) => {
                    let event = event.map(|event| format!("{event} and ")).unwrap_or_default();
                    let message = format!(
                        "the hook `{}` takes {event}a `mobula::ActorContext`, and nothing else",
                        signature.ident
                    );
                    mistakes.add(input, &message);
                }
            }
        }
        mistakes.into_result()?;
        let receiver = signature.receiver().map_or_else(|| signature.ident.span(), Spanned::span);
        let (name, is_async) = (signature.ident.clone(), signature.asyncness.is_some());
        Ok(Hook { kind, name, is_async, exclusive, receiver, fallible, given })
    }

    /// From `__output` to a `Result<(), Failure>`.
    fn ended(&self) -> TokenStream {
        if !self.fallible {
            return quote!(let () = __output; ::core::result::Result::Ok(()));
        }
        let failed = crate::body::error_returned(&quote!(false));
        quote! {
            match __output {
                ::core::result::Result::Ok(()) => ::core::result::Result::Ok(()),
                ::core::result::Result::Err(__error) => {
                    ::mobula::__private::actor::failed({ #failed })
                }
            }
        }
    }
}

impl Actor {
    /// The statement that registers a hook with the class's builder.
    pub(super) fn hook(&self, hook: &Hook) -> TokenStream {
        let (ty, name, kind) = (&self.ty, &hook.name, hook.kind);
        let given = hook.given.iter().map(|given| match given {
            HookGiven::Context { lent: true } => quote!(&__context),
            HookGiven::Context { lent: false } => quote!(__context.clone()),
            HookGiven::Event { lent: true } => quote!(&__event),
            HookGiven::Event { lent: false } => quote!(__event),
        });
        let this = if hook.exclusive { quote!(&mut *__this) } else { quote!(&*__this) };
        let wait = hook.is_async.then(|| quote!(.await));
        let (guard, ended) = (self.guard(hook.exclusive), hook.ended());
        // Turns wait for a hook whatever it takes of its actor, but for a check that runs beside them.
        let is_beside = kind == HookKind::Health && !hook.exclusive;
        let access = if is_beside { quote!(Shared) } else { quote!(Exclusive) };
        let access = quote!(::mobula::__private::actor::Access::#access);
        let run = quote! {
            ::mobula::__private::actor::hook(&__object.clone(), #access, |__context| async move {
                #guard
                let __output = #ty::#name(#this #(, #given)*) #wait;
                #ended
            })
        };
        let is_shareable = (!hook.exclusive).then(|| self.is_shareable(hook.receiver));
        let body = match kind {
            HookKind::Start => quote!(__class.on_start(|__object| #run)),
            HookKind::Down => quote!(__class.on_down(|__object, __event| #run)),
            HookKind::Stop => quote! {
                __class.on_stop(|__object, __event| ::mobula::__private::actor::stopping(#run))
            },
            HookKind::Health => {
                let period = self.options.health_period();
                quote!(__class.health_check(#access, #period, |__object| #run))
            }
        };
        let body = quote_spanned!(name.span()=> #body;);
        quote!({ #is_shareable #body })
    }
}

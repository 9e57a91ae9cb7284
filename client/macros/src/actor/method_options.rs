//! The options of `#[method(…)]` on a method of an actor.

use crate::literal;
use crate::metas::{self, value};
use crate::mistakes::Mistakes;
use crate::options::retry_on;
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Meta, Path, Result};

const KNOWN: &[&str] =
    &["blocking", "cancel_safe", "cast", "group", "max_task_retries", "retry_on", "timeout"];

/// What was given.
#[derive(Default)]
pub(super) struct MethodOptions {
    /// It blocks its thread.
    pub(super) blocking: Option<Span>,
    /// Dropped at an await, it leaves the actor as it should be.
    pub(super) cancel_safe: Option<Span>,
    /// Nobody waits for its result.
    pub(super) cast: Option<Span>,
    /// Its concurrency group.
    pub(super) group: Option<(String, Span)>,
    /// Which errors are tried again.
    pub(super) retry_on: Option<Path>,
    /// How often a call that may have started is sent again, and where that was said.
    pub(super) max_task_retries: Option<(u32, Span)>,
    /// How long it may run, in nanoseconds.
    pub(super) timeout: Option<u64>,
}

impl MethodOptions {
    /// Takes the `#[method]` attributes off; gives what is readable of them. Says whether there was one.
    pub(super) fn take(attributes: &mut Vec<Attribute>, mistakes: &mut Mistakes) -> (Self, Option<Span>) {
        let mut options = MethodOptions::default();
        let mut at = None;
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("method")) {
            if at.replace(attribute.path().span()).is_some() {
                mistakes.add(attribute, "give all options in one `#[method(…)]`");
            }
            let Meta::List(list) = &attribute.meta else {
                mistakes
                    .add(attribute, &format!("expected `#[method(…)]` with some of: {}", KNOWN.join(", ")));
                continue;
            };
            metas::each(list.tokens.clone(), mistakes, |name, meta| options.set(name, meta));
        }
        attributes.retain(|attribute| !attribute.path().is_ident("method"));
        (options, at)
    }

    /// What does not fit together.
    pub(super) fn check(&self, is_async: bool, fallible: bool, groups: &[String], mistakes: &mut Mistakes) {
        if let (Some(at), true) = (self.blocking, is_async) {
            mistakes.merge(Error::new(at, "an async method does not block: take `blocking` or `async` away"));
        }
        if let (Some(at), false) = (self.cancel_safe, is_async) {
            let message = "only an async method can be dropped at an await: `cancel_safe` means nothing here";
            mistakes.merge(Error::new(at, message));
        }
        if let (Some(path), false) = (&self.retry_on, fallible) {
            mistakes.add(path, "`retry_on` needs a method that returns a `Result`");
        } else if let (Some(path), None) = (&self.retry_on, self.max_task_retries) {
            let message = "a call is sent again as often as `max_task_retries` says, which is never unless it is given: add \
                           `max_task_retries = 3`, or `max_task_retries = 0` where each call says it itself";
            mistakes.add(path, message);
        }
        if let Some((group, at)) = &self.group
            && !groups.contains(group)
        {
            let message = format!(
                "the actor has no group `{group}`: name it with its limit, `#[mobula::actor(groups({group} = 4))]`"
            );
            mistakes.merge(Error::new(*at, message));
        }
        if let (Some(_), Some((1.., at))) = (self.cast, self.max_task_retries) {
            mistakes.merge(Error::new(at, "a cast is never tried again: nobody would hear how it ended"));
        }
    }

    /// The body of the function that makes the `TaskOptions` of a call.
    pub(super) fn body(&self, num_returns: Option<u32>) -> TokenStream {
        let cast = self.cast.is_some();
        let retries = self.max_task_retries.map_or(0, |(count, _)| count);
        let returns = num_returns.map(|count| quote!(options.num_returns = #count;));
        let timeout = self.timeout.map(|nanos| {
            quote! {
                options.timeout =
                    ::core::option::Option::Some(::core::time::Duration::from_nanos(#nanos));
            }
        });
        quote! {
            #[allow(unused_mut)]
            let mut options = ::mobula::__private::actor::call_options(#cast, #retries);
            #returns
            #timeout
            options
        }
    }

    /// Whether something else than `blocking` was given.
    pub(super) fn is_for_methods_alone(&self) -> bool {
        self.cancel_safe.is_some()
            || self.cast.is_some()
            || self.group.is_some()
            || self.retry_on.is_some()
            || self.max_task_retries.is_some()
            || self.timeout.is_some()
    }

    /// The `MethodRules` of the class's registration.
    pub(super) fn rules(&self) -> TokenStream {
        let cancel_safe = self.cancel_safe.is_some();
        let group = match &self.group {
            Some((group, _)) => quote!(::core::option::Option::Some(#group)),
            None => quote!(::core::option::Option::None),
        };
        quote! {
            ::mobula::__private::actor::MethodRules {
                group: #group,
                cancel_safe: #cancel_safe,
            }
        }
    }

    fn set(&mut self, name: &str, meta: &Meta) -> Result<()> {
        let flag = |meta: &Meta| meta.require_path_only().map(|path| Some(path.span()));
        match name {
            "blocking" => self.blocking = flag(meta)?,
            "cancel_safe" => self.cancel_safe = flag(meta)?,
            "cast" => self.cast = flag(meta)?,
            "group" => {
                let text = value(meta)?;
                self.group = Some((literal::text(text, "the name of a group")?, text.span()));
            }
            "retry_on" => self.retry_on = Some(retry_on(meta)?),
            "max_task_retries" => {
                let count = literal::number(value(meta)?, "a number of retries, such as 3")?;
                self.max_task_retries = Some((count, meta.span()));
            }
            "timeout" => self.timeout = Some(literal::nanos(value(meta)?)?),
            _ => return Err(metas::unknown(meta, KNOWN)),
        }
        Ok(())
    }
}

//! The options of `#[mobula::actor(…)]`.

use crate::literal;
use crate::metas::{self, expected, value};
use crate::mistakes::Mistakes;
use crate::options::{handle, placement, refuse_labels_and_strategy};
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{Meta, Path, Result};

const KNOWN: &[&str] = &[
    "handle",
    "max_concurrency",
    "groups",
    "mailbox",
    "max_pending_calls",
    "on_isolation",
    "health_period",
    "isolation",
    "num_cpus",
    "num_gpus",
    "memory",
    "resources",
    "labels",
    "strategy",
];

/// Checks that come more often would take more of a worker than they tell of it, in nanoseconds.
const SHORTEST_HEALTH_PERIOD: u64 = 100_000_000;

/// What was given.
#[derive(Default)]
pub(crate) struct Options {
    /// The handle's name; the type's with `Handle` behind it where absent.
    pub(super) handle: Option<Ident>,
    /// The concurrency groups' names.
    pub(super) groups: Vec<String>,
    /// How long it is from one health check to the next, in nanoseconds, and the option's name as it is written.
    pub(super) health_period: Option<(u64, Path)>,
    /// Statements that change an `ActorOptions` named `actor`.
    actor: Vec<TokenStream>,
    /// Statements that change a `TaskOptions` named `options`.
    task: Vec<TokenStream>,
}

impl Options {
    /// Reads the options; gives what is readable along with all mistakes.
    pub(super) fn parse(tokens: TokenStream) -> (Self, Mistakes) {
        let mut options = Options::default();
        let mut mistakes = Mistakes::default();
        let seen = metas::each(tokens, &mut mistakes, |name, meta| options.set(name, meta));
        refuse_labels_and_strategy(&seen, &mut mistakes);
        (options, mistakes)
    }

    /// The body of the function that makes the `TaskOptions` of a creation.
    pub(super) fn body(&self) -> TokenStream {
        let (actor, task) = (&self.actor, &self.task);
        quote! {
            #[allow(unused_mut)]
            let mut actor = ::mobula::__private::ActorOptions::default();
            #(#actor)*
            #[allow(unused_mut)]
            let mut options = ::mobula::__private::actor::creation_options(actor);
            #(#task)*
            options
        }
    }

    /// An expression for the period of health checks, where one is named.
    pub(super) fn health_period(&self) -> TokenStream {
        match &self.health_period {
            Some((nanos, _)) => {
                quote!(::core::option::Option::Some(::core::time::Duration::from_nanos(#nanos)))
            }
            None => quote!(::core::option::Option::None),
        }
    }

    fn set(&mut self, name: &str, meta: &Meta) -> Result<()> {
        let statement = match name {
            "handle" => {
                self.handle = Some(handle(meta)?);
                return Ok(());
            }
            "groups" => return self.set_groups(meta),
            "health_period" => {
                let nanos = literal::nanos(value(meta)?)?;
                if nanos < SHORTEST_HEALTH_PERIOD {
                    return Err(expected(meta, "a period of at least 100ms"));
                }
                self.health_period = Some((nanos, meta.path().clone()));
                return Ok(());
            }
            "max_concurrency" => {
                let count = positive(meta, "how many `&self` methods run at once, such as 1000")?;
                quote!(actor.max_concurrency = #count;)
            }
            "mailbox" => {
                let count = positive(meta, "how many calls may wait, such as 10000")?;
                quote!(actor.mailbox = #count;)
            }
            "max_pending_calls" => {
                let count: u32 = literal::number(value(meta)?, "a number of calls, or 0 for no bound")?;
                quote!(actor.max_pending_calls = #count;)
            }
            "on_isolation" => match literal::text(value(meta)?, "\"stop\" or \"keep\"")?.as_str() {
                "stop" => quote!(actor.on_isolation = ::mobula::__private::OnIsolation::Stop;),
                "keep" => quote!(actor.on_isolation = ::mobula::__private::OnIsolation::Keep;),
                _ => return Err(expected(meta, "\"stop\" or \"keep\"")),
            },
            _ => {
                let statements = placement(name, meta)?.ok_or_else(|| metas::unknown(meta, KNOWN))?;
                self.task.extend(statements);
                return Ok(());
            }
        };
        self.actor.push(statement);
        Ok(())
    }

    fn set_groups(&mut self, meta: &Meta) -> Result<()> {
        for (name, limit) in metas::list(meta, "groups(name = limit, …)")? {
            let limit: u32 = literal::number(&limit, "how many methods of the group run at once")?;
            if limit == 0 {
                return Err(syn::Error::new_spanned(
                    meta,
                    format!("no method of the group `{name}` could ever run"),
                ));
            }
            self.actor.push(quote!(actor.groups.push((#name.into(), #limit));));
            self.groups.push(name);
        }
        Ok(())
    }
}

fn positive(meta: &Meta, what: &str) -> Result<u32> {
    match literal::number(value(meta)?, what)? {
        0 => Err(expected(meta, what)),
        count => Ok(count),
    }
}

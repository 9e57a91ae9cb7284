//! The options of `#[mobula::remote(…)]`.

use crate::literal;
use crate::metas::{self, expected, value};
use crate::mistakes::Mistakes;
use proc_macro2::{Span, TokenStream};
use quote::quote;
use std::collections::BTreeMap;
use syn::spanned::Spanned;
use syn::{Error, Expr, Ident, Meta, Path, Result};

const KNOWN: &[&str] = &[
    "handle",
    "name",
    "num_cpus",
    "num_gpus",
    "memory",
    "resources",
    "labels",
    "strategy",
    "max_retries",
    "retry_on",
    "timeout",
    "num_returns",
    "priority",
    "isolation",
    "fail_if_infeasible",
];

/// What was given, each with the type that the output needs.
#[derive(Default)]
pub(crate) struct Options {
    /// The struct's name; the function's where absent.
    pub(crate) handle: Option<Ident>,
    /// Which errors are tried again.
    pub(crate) retry_on: Option<Path>,
    /// How many references, and where that was said.
    pub(crate) num_returns: Option<(usize, Span)>,
    /// Statements that change a `TaskOptions` named `options`.
    statements: Vec<TokenStream>,
}

impl Options {
    /// Reads the options; gives what is readable along with all mistakes.
    pub(crate) fn parse(tokens: TokenStream) -> (Self, Mistakes) {
        let mut options = Options::default();
        let mut mistakes = Mistakes::default();
        let seen = metas::each(tokens, &mut mistakes, |name, meta| options.set(name, meta));
        refuse_labels_and_strategy(&seen, &mut mistakes);
        (options, mistakes)
    }

    /// The body of the function that makes the default `TaskOptions`.
    pub(crate) fn body(&self) -> TokenStream {
        let statements = &self.statements;
        let returns = self.num_returns.map(|(count, _)| {
            let count = count as u32;
            quote!(options.num_returns = #count;)
        });
        if statements.is_empty() && returns.is_none() {
            return quote!(::mobula::__private::TaskOptions::default());
        }
        quote! {
            let mut options = ::mobula::__private::TaskOptions::default();
            #(#statements)*
            #returns
            options
        }
    }

    fn set(&mut self, name: &str, meta: &Meta) -> Result<()> {
        match name {
            "handle" => {
                self.handle = Some(handle(meta)?);
            }
            "retry_on" => {
                self.retry_on = Some(retry_on(meta)?);
            }
            "num_returns" => {
                let count: usize = literal::number(value(meta)?, "a number of references, from 0 to 8")?;
                if count > 8 {
                    return Err(expected(meta, "a number of references, from 0 to 8"));
                }
                self.num_returns = Some((count, meta.span()));
            }
            _ => match placement(name, meta)? {
                Some(statements) => self.statements.extend(statements),
                None => self.statements.push(scalar(name, meta)?),
            },
        }
        Ok(())
    }
}

/// The name that the struct is to have.
pub(crate) fn handle(meta: &Meta) -> Result<Ident> {
    let name = match value(meta)? {
        Expr::Path(path) => path.path.get_ident().cloned(),
        _ => None,
    };
    name.ok_or_else(|| expected(meta, "a name for the struct"))
}

/// The function that says which errors are tried again.
pub(crate) fn retry_on(meta: &Meta) -> Result<Path> {
    match value(meta)? {
        Expr::Path(path) => Ok(path.path.clone()),
        _ => Err(expected(meta, "the path of a function `fn(&E) -> bool`")),
    }
}

/// `labels` is a strategy, of which there can be one.
pub(crate) fn refuse_labels_and_strategy(seen: &BTreeMap<String, Span>, mistakes: &mut Mistakes) {
    if let (Some(labels), Some(_)) = (seen.get("labels"), seen.get("strategy")) {
        let message = "`labels` is a strategy of its own: give `labels` or `strategy`, not both";
        mistakes.merge(Error::new(*labels, message));
    }
}

/// The statements of an option that says what is needed and where it may run; `None` for another one.
pub(crate) fn placement(name: &str, meta: &Meta) -> Result<Option<Vec<TokenStream>>> {
    Ok(Some(vec![match name {
        "num_cpus" => amount(meta, quote!(cpu))?,
        "num_gpus" => amount(meta, quote!(gpu))?,
        "memory" => {
            let bytes = literal::bytes(value(meta)?)?;
            quote!(options.resources.memory = ::mobula::__private::Quantity::whole(#bytes);)
        }
        "strategy" => match literal::text(value(meta)?, "\"default\" or \"spread\"")?.as_str() {
            "default" => quote!(),
            "spread" => quote!(options.strategy = ::mobula::__private::Strategy::Spread;),
            _ => return Err(expected(meta, "\"default\" or \"spread\"")),
        },
        "isolation" => match literal::text(value(meta)?, "\"process\" or \"shared\"")?.as_str() {
            "process" => quote!(options.isolated = true;),
            "shared" => quote!(options.isolated = false;),
            _ => return Err(expected(meta, "\"process\" or \"shared\"")),
        },
        "resources" => return resources(meta).map(Some),
        "labels" => labels(meta)?,
        _ => return Ok(None),
    }]))
}

fn resources(meta: &Meta) -> Result<Vec<TokenStream>> {
    let mut statements = Vec::new();
    for (name, amount) in metas::list(meta, "resources(name = amount, …)")? {
        let steps = literal::steps(&amount)?;
        statements.push(quote! {
            options.resources.custom.insert(#name.into(), ::mobula::__private::Quantity::from_steps(#steps));
        });
    }
    Ok(statements)
}

fn labels(meta: &Meta) -> Result<TokenStream> {
    let mut conditions = Vec::new();
    for (key, value) in metas::list(meta, "labels(key = \"value\", …)")? {
        let value = literal::text(&value, "a text")?;
        conditions.push(quote!(::mobula::__private::LabelCondition::Equals(#key.into(), #value.into())));
    }
    Ok(quote! {
        options.strategy = ::mobula::__private::Strategy::Labels(
            ::mobula::__private::LabelExpression { conditions: ::std::vec![#(#conditions),*] }
        );
    })
}

fn scalar(name: &str, meta: &Meta) -> Result<TokenStream> {
    Ok(match name {
        "name" => {
            let text = literal::text(value(meta)?, "a text")?;
            quote!(options.name = #text.into();)
        }
        "max_retries" => {
            let count: u32 = literal::number(value(meta)?, "a number of retries, such as 3")?;
            quote!(options.max_retries = #count;)
        }
        "timeout" => {
            let nanos = literal::nanos(value(meta)?)?;
            quote!(options.timeout = ::core::option::Option::Some(::core::time::Duration::from_nanos(#nanos));)
        }
        "priority" => {
            let priority = literal::signed(value(meta)?)?;
            quote!(options.priority = #priority;)
        }
        "fail_if_infeasible" => {
            meta.require_path_only()?;
            quote!(options.fail_if_infeasible = true;)
        }
        _ => return Err(metas::unknown(meta, KNOWN)),
    })
}

fn amount(meta: &Meta, field: TokenStream) -> Result<TokenStream> {
    let steps = literal::steps(value(meta)?)?;
    Ok(quote!(options.resources.#field = ::mobula::__private::Quantity::from_steps(#steps);))
}

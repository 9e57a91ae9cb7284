//! The options of `#[mobula::remote(…)]`.

use crate::literal;
use proc_macro2::{Span, TokenStream};
use quote::quote;
use std::collections::BTreeMap;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Expr, Ident, LitStr, Meta, MetaNameValue, Path, Result, Token};

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
    pub(crate) fn parse(tokens: TokenStream) -> (Self, Option<Error>) {
        let mut options = Options::default();
        let mut mistakes: Option<Error> = None;
        let mut note = |error: Error| match &mut mistakes {
            Some(mistakes) => mistakes.combine(error),
            None => mistakes = Some(error),
        };
        let metas = match Punctuated::<Meta, Token![,]>::parse_terminated.parse2(tokens) {
            Ok(metas) => metas,
            Err(error) => {
                note(error);
                return (options, mistakes);
            }
        };
        let mut seen: BTreeMap<String, Span> = BTreeMap::new();
        for meta in &metas {
            let name = meta.path().get_ident().map(ToString::to_string).unwrap_or_default();
            if seen.insert(name.clone(), meta.span()).is_some() {
                note(Error::new(meta.path().span(), format!("`{name}` is given twice")));
            } else if let Err(error) = options.set(&name, meta) {
                note(error);
            }
        }
        if let (Some(labels), Some(_)) = (seen.get("labels"), seen.get("strategy")) {
            note(Error::new(
                *labels,
                "`labels` is a strategy of its own: give `labels` or `strategy`, not both",
            ));
        }
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
                let Expr::Path(path) = value(meta)? else {
                    return Err(expected(meta, "a name for the struct"));
                };
                let handle = path.path.get_ident().ok_or_else(|| expected(meta, "a name for the struct"))?;
                self.handle = Some(handle.clone());
            }
            "retry_on" => {
                let Expr::Path(path) = value(meta)? else {
                    return Err(expected(meta, "the path of a function `fn(&E) -> bool`"));
                };
                self.retry_on = Some(path.path.clone());
            }
            "num_returns" => {
                let count: usize = literal::number(value(meta)?, "a number of references, from 0 to 8")?;
                if count > 8 {
                    return Err(expected(meta, "a number of references, from 0 to 8"));
                }
                self.num_returns = Some((count, meta.span()));
            }
            "resources" => return self.set_resources(meta),
            "labels" => return self.set_labels(meta),
            _ => {
                let statement = scalar(name, meta)?;
                self.statements.push(statement);
            }
        }
        Ok(())
    }

    fn set_resources(&mut self, meta: &Meta) -> Result<()> {
        for (name, amount) in list(meta, "resources(name = amount, …)")? {
            let steps = literal::steps(&amount)?;
            self.statements.push(quote! {
                options.resources.custom.insert(#name.into(), ::mobula::__private::Quantity::from_steps(#steps));
            });
        }
        Ok(())
    }

    fn set_labels(&mut self, meta: &Meta) -> Result<()> {
        let mut conditions = Vec::new();
        for (key, value) in list(meta, "labels(key = \"value\", …)")? {
            let value = literal::text(&value, "a text")?;
            conditions.push(quote!(::mobula::__private::LabelCondition::Equals(#key.into(), #value.into())));
        }
        self.statements.push(quote! {
            options.strategy = ::mobula::__private::Strategy::Labels(
                ::mobula::__private::LabelExpression { conditions: ::std::vec![#(#conditions),*] }
            );
        });
        Ok(())
    }
}

fn scalar(name: &str, meta: &Meta) -> Result<TokenStream> {
    Ok(match name {
        "name" => {
            let text = literal::text(value(meta)?, "a text")?;
            quote!(options.name = #text.into();)
        }
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
        "isolation" => match literal::text(value(meta)?, "\"process\" or \"shared\"")?.as_str() {
            "process" => quote!(options.isolated = true;),
            "shared" => quote!(options.isolated = false;),
            _ => return Err(expected(meta, "\"process\" or \"shared\"")),
        },
        "fail_if_infeasible" => {
            meta.require_path_only()?;
            quote!(options.fail_if_infeasible = true;)
        }
        _ => return Err(unknown(meta)),
    })
}

fn amount(meta: &Meta, field: TokenStream) -> Result<TokenStream> {
    let steps = literal::steps(value(meta)?)?;
    Ok(quote!(options.resources.#field = ::mobula::__private::Quantity::from_steps(#steps);))
}

fn value(meta: &Meta) -> Result<&Expr> {
    let Meta::NameValue(MetaNameValue { value, .. }) = meta else {
        let name = meta.path().get_ident().map(ToString::to_string).unwrap_or_default();
        return Err(Error::new(meta.span(), format!("expected a value: `{name} = …`")));
    };
    Ok(value)
}

/// `name(key = value, …)`, with keys that are names or texts.
fn list(meta: &Meta, form: &str) -> Result<Vec<(String, Expr)>> {
    let Meta::List(list) = meta else { return Err(Error::new(meta.span(), format!("expected `{form}`"))) };
    let entry = |input: syn::parse::ParseStream<'_>| {
        let key = if input.peek(LitStr) {
            input.parse::<LitStr>()?.value()
        } else {
            input.parse::<Ident>()?.to_string()
        };
        input.parse::<Token![=]>()?;
        Ok((key, input.parse::<Expr>()?))
    };
    let entries = list.parse_args_with(|input: syn::parse::ParseStream<'_>| {
        Punctuated::<(String, Expr), Token![,]>::parse_terminated_with(input, entry)
    })?;
    Ok(entries.into_iter().collect())
}

fn expected(meta: &Meta, what: &str) -> Error {
    let span = value(meta).map_or_else(|_| meta.span(), Spanned::span);
    Error::new(span, format!("expected {what}"))
}

fn unknown(meta: &Meta) -> Error {
    let name = meta.path().get_ident().map(ToString::to_string).unwrap_or_default();
    let message = format!("unknown option `{name}`; there are: {}", KNOWN.join(", "));
    Error::new(meta.path().span(), message)
}

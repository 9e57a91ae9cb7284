//! What a function looks like to its callers: checked parameters, the result, and the hash of both.

use crate::mistakes::Mistakes;
use crate::options::Options;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use std::fmt;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{Error, FnArg, GenericArgument, ItemFn, Pat, PathArguments, ReturnType, Type, TypeReference};

/// What is looked at, for messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Subject {
    /// A function of `#[mobula::remote]`.
    Function,
    /// A method of `#[mobula::actor]` that is called on its handle.
    Method,
    /// A constructor of `#[mobula::actor]`.
    Constructor,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Subject::Function => "a remote function",
            Subject::Method => "an actor's method",
            Subject::Constructor => "an actor's constructor",
        })
    }
}

/// A parameter as callers give it.
#[derive(Clone)]
pub(crate) struct Parameter {
    /// Its name.
    pub(crate) name: Ident,
    /// The owned type that travels.
    pub(crate) owned: Type,
    /// Where `owned` is a `Vec<T>`: the `T`.
    pub(crate) element: Option<Type>,
    /// Whether the function borrows it for the call.
    pub(crate) lent: bool,
}

/// What a function returns.
pub(crate) struct Output {
    /// The type without the `Result`, if there was one.
    pub(crate) value: TokenStream,
    /// Whether it returns a `Result`.
    pub(crate) fallible: bool,
    /// Whether the value is a `Vec`, which a caller may ask to have split.
    pub(crate) list: bool,
    /// The types of the references where their number was given.
    pub(crate) several: Option<Vec<Type>>,
}

/// A checked function.
pub(crate) struct Signature {
    /// Its parameters.
    pub(crate) parameters: Vec<Parameter>,
    /// Its result.
    pub(crate) output: Output,
    /// `fn(name: Type, …) -> Type`, of what travels.
    pub(crate) text: String,
}

impl Signature {
    /// Checks the function; gives all mistakes at once.
    pub(crate) fn of(function: &ItemFn, options: &Options) -> Result<Self, Error> {
        Self::checked(Subject::Function, &function.sig, function.sig.inputs.iter(), options.num_returns)
    }

    /// Checks a signature, of whose parameters callers give `inputs`; gives all mistakes at once.
    pub(crate) fn checked<'a>(
        subject: Subject,
        signature: &syn::Signature,
        inputs: impl Iterator<Item = &'a FnArg>,
        num_returns: Option<(usize, Span)>,
    ) -> Result<Self, Error> {
        let mut mistakes = Mistakes::default();
        check_kind(subject, signature, &mut mistakes);
        let parameters: Vec<_> =
            inputs.filter_map(|input| mistakes.keep(Parameter::of(subject, input))).collect();
        let output = mistakes.keep(Output::of(subject, &signature.output, num_returns));
        mistakes.into_result()?;
        let output = output.ok_or_else(|| Error::new(signature.span(), "the signature cannot be read"))?;
        let text = text(&parameters, &signature.output);
        Ok(Signature { parameters, output, text })
    }

    /// FNV-1a, 64 bits, of the text. The text is made of the names and types as they are written, so that two ways to
    /// write one type differ: callers and runners come from one source.
    pub(crate) fn hash(&self) -> u64 {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        self.text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
    }
}

fn check_kind(subject: Subject, signature: &syn::Signature, mistakes: &mut Mistakes) {
    if !signature.generics.params.is_empty() {
        let kind = if subject == Subject::Function { "function" } else { "method" };
        let message = format!(
            "{subject} cannot be generic: a worker finds it by its name, and there is no one {kind} of this name; \
             write one {kind} for each type"
        );
        mistakes.add(&signature.generics, &message);
    }
    if let Some(clause) = &signature.generics.where_clause {
        mistakes.add(clause, &format!("{subject} cannot have a where clause"));
    }
    if let Some(constness) = &signature.constness {
        mistakes.add(constness, &format!("{subject} cannot be const"));
    }
    if let Some(unsafety) = &signature.unsafety {
        let message =
            format!("{subject} cannot be unsafe: nobody on the other side could keep its conditions");
        mistakes.add(unsafety, &message);
    }
    if let Some(abi) = &signature.abi {
        mistakes.add(abi, &format!("{subject} cannot be extern"));
    }
    if let Some(variadic) = &signature.variadic {
        mistakes.add(variadic, &format!("{subject} cannot take a variable number of arguments"));
    }
}

impl Parameter {
    fn of(subject: Subject, input: &FnArg) -> Result<Self, Error> {
        let parameter = match input {
            FnArg::Receiver(receiver) => {
                let message = "a remote function has no `self`: for state that stays somewhere, use an actor; \
                               otherwise take what is needed as a parameter";
                return Err(Error::new_spanned(receiver, message));
            }
            FnArg::Typed(parameter) => parameter,
        };
        let name = match &*parameter.pat {
            Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
                pattern.ident.clone()
            }
            pattern => {
                let message = format!(
                    "a parameter of {subject} needs a plain name; take the pattern apart in the body"
                );
                return Err(Error::new_spanned(pattern, message));
            }
        };
        let (owned, lent) = owned_type(subject, &parameter.ty)?;
        check_owned(subject, &owned)?;
        let element = element_of_vec(&owned);
        Ok(Parameter { name, owned, element, lent })
    }
}

/// The type that travels for a parameter's type, and whether the call borrows it.
fn owned_type(subject: Subject, ty: &Type) -> Result<(Type, bool), Error> {
    let Type::Reference(TypeReference { lifetime, mutability, elem, .. }) = ty else {
        return Ok((ty.clone(), false));
    };
    if let Some(mutability) = mutability {
        let message =
            format!("{subject} cannot change its caller's value: take it by value and return the new one");
        return Err(Error::new_spanned(mutability, message));
    }
    if let Some(lifetime) = lifetime {
        let message =
            format!("a borrowed parameter of {subject} is lent for the call: leave the lifetime out");
        return Err(Error::new_spanned(lifetime, message));
    }
    let owned = match &**elem {
        Type::Slice(slice) => {
            let element = &slice.elem;
            syn::parse_quote!(::std::vec::Vec<#element>)
        }
        Type::Path(path) if path.path.is_ident("str") => syn::parse_quote!(::std::string::String),
        other => other.clone(),
    };
    Ok((owned, true))
}

fn check_owned(subject: Subject, ty: &Type) -> Result<(), Error> {
    struct Search(Subject, Option<Error>);
    impl Visit<'_> for Search {
        fn visit_type_impl_trait(&mut self, ty: &syn::TypeImplTrait) {
            let message = format!("a parameter of {} needs one type: `impl Trait` stands for many", self.0);
            self.1 = Some(Error::new_spanned(ty, message));
        }
        fn visit_type_reference(&mut self, ty: &TypeReference) {
            let message =
                "a borrow inside a parameter's type cannot be lent from the decoded value: use an owned type";
            self.1 = Some(Error::new_spanned(ty, message));
        }
        fn visit_type_trait_object(&mut self, ty: &syn::TypeTraitObject) {
            let message = "a trait object cannot be decoded on the other side: use a type of its own";
            self.1 = Some(Error::new_spanned(ty, message));
        }
        fn visit_type_ptr(&mut self, ty: &syn::TypePtr) {
            self.1 = Some(Error::new_spanned(ty, "a pointer means nothing on the other side"));
        }
        fn visit_type_bare_fn(&mut self, ty: &syn::TypeBareFn) {
            self.1 = Some(Error::new_spanned(ty, "a function pointer means nothing on the other side"));
        }
    }
    let mut search = Search(subject, None);
    search.visit_type(ty);
    search.1.map_or(Ok(()), Err)
}

fn element_of_vec(ty: &Type) -> Option<Type> {
    first_argument(ty, "Vec")
}

/// The first type argument of a path that ends in `name<…>`.
pub(crate) fn first_argument(ty: &Type, name: &str) -> Option<Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    })
}

impl Output {
    fn of(subject: Subject, output: &ReturnType, num_returns: Option<(usize, Span)>) -> Result<Self, Error> {
        let ty = match output {
            ReturnType::Default => syn::parse_quote!(()),
            ReturnType::Type(_, ty) => (**ty).clone(),
        };
        let ty = ungrouped(ty);
        check_returned(subject, &ty)?;
        let fallible = is_result(&ty);
        let argument = if fallible { first_argument(&ty, "Result") } else { None };
        let value = match (&argument, fallible) {
            (Some(value), _) => value.to_token_stream(),
            (None, true) => quote!(<#ty as ::mobula::__private::ResultType>::Value),
            (None, false) => ty.to_token_stream(),
        };
        let inner = argument.as_ref().unwrap_or(&ty);
        let list = element_of_vec(inner).is_some();
        let several = match num_returns {
            None | Some((1, _)) => None,
            Some((count, at)) => Some(elements(inner, count, at)?),
        };
        Ok(Output { value, fallible, list, several })
    }
}

pub(crate) fn ungrouped(ty: Type) -> Type {
    match ty {
        Type::Group(group) => ungrouped(*group.elem),
        Type::Paren(paren) => ungrouped(*paren.elem),
        other => other,
    }
}

fn check_returned(subject: Subject, ty: &Type) -> Result<(), Error> {
    match ty {
        Type::ImplTrait(ty) => {
            Err(Error::new_spanned(ty, format!("{subject} returns one type: `impl Trait` stands for many")))
        }
        Type::Reference(ty) => Err(Error::new_spanned(ty, format!("{subject} returns an owned value"))),
        Type::Never(ty) => {
            Err(Error::new_spanned(ty, format!("{subject} that never returns has no result to wait for")))
        }
        _ => Ok(()),
    }
}

/// A type whose path ends in `Result` is one; an alias of another name counts as a value.
pub(crate) fn is_result(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Result"))
}

fn elements(ty: &Type, count: usize, at: Span) -> Result<Vec<Type>, Error> {
    let found = match ty {
        Type::Tuple(tuple) => tuple.elems.iter().cloned().collect::<Vec<_>>(),
        _ => vec![ty.clone()],
    };
    if found.len() == count && matches!(ty, Type::Tuple(_)) {
        return Ok(found);
    }
    let returned = squeezed(&ty.to_token_stream());
    let needs = match count {
        0 => "the function must return `()`".into(),
        _ => format!("the function must return a tuple of {count} values"),
    };
    let mut error = Error::new(at, format!("`num_returns = {count}`: {needs}"));
    error.combine(Error::new_spanned(ty, format!("it returns `{returned}`")));
    Err(error)
}

fn text(parameters: &[Parameter], output: &ReturnType) -> String {
    let parameters: Vec<String> = parameters
        .iter()
        .map(|parameter| {
            let ty = squeezed(&parameter.owned.to_token_stream())
                .replace("::std::vec::", "")
                .replace("::std::string::", "");
            format!("{}: {ty}", parameter.name.unraw())
        })
        .collect();
    let output = match output {
        ReturnType::Default => String::new(),
        ReturnType::Type(_, ty) => format!(" -> {}", squeezed(&ty.to_token_stream())),
    };
    format!("fn({}){output}", parameters.join(", "))
}

/// Tokens as text, without the spaces that the compiler's printer may or may not put.
fn squeezed(tokens: &TokenStream) -> String {
    let mut text = String::new();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    for piece in tokens.to_string().split_whitespace() {
        let joins_words = text.chars().next_back().is_some_and(is_word) && piece.starts_with(is_word);
        if joins_words || text.ends_with(',') {
            text.push(' ');
        }
        text.push_str(piece);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(source: &str) -> Signature {
        let function: ItemFn = syn::parse_str(source).unwrap();
        Signature::of(&function, &Options::default()).unwrap()
    }

    #[test]
    fn the_text_is_what_travels() {
        let signature =
            signature("async fn f(a: &str, b: &[u8], c: &Vec<(u8, String)>) -> Result<u64, E> {}");
        assert_eq!(signature.text, "fn(a: String, b: Vec<u8>, c: Vec<(u8, String)>) -> Result<u64, E>");
        assert!(signature.output.fallible);
        assert_eq!(signature.output.value.to_string(), "u64");
    }

    #[test]
    fn names_and_types_count_for_the_hash() {
        let one = signature("fn f(a: u64) -> u64 {}");
        assert_eq!(one.hash(), signature("async fn g(a: u64) -> u64 {}").hash());
        assert_ne!(one.hash(), signature("fn f(b: u64) -> u64 {}").hash());
        assert_ne!(one.hash(), signature("fn f(a: u32) -> u64 {}").hash());
        assert_ne!(one.hash(), signature("fn f(a: u64) {}").hash());
    }
}

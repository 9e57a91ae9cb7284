//! What an `impl` block has for its handle: constructors, methods and hooks.

use super::hooks::{Hook, HookKind};
use super::method_options::MethodOptions;
use super::options::Options;
use crate::mistakes::Mistakes;
use crate::signature::{Parameter, Signature, Subject, first_argument, is_result, ungrouped};
use proc_macro2::{Ident, Span, TokenStream};
use syn::spanned::Spanned;
use syn::{Attribute, Error, FnArg, ImplItem, ImplItemFn, ItemImpl, ReturnType, Type, Visibility};

/// Everything that can be reached from elsewhere.
pub(super) struct Members {
    pub(super) constructors: Vec<Constructor>,
    pub(super) methods: Vec<Method>,
    pub(super) hooks: Vec<Hook>,
}

/// What a constructor or a method has in common.
pub(super) struct Callable {
    pub(super) name: Ident,
    pub(super) visibility: Visibility,
    pub(super) is_async: bool,
    pub(super) cfgs: Vec<Attribute>,
    pub(super) documentation: Vec<Attribute>,
    pub(super) signature: Signature,
    /// What the function is called with, in order, behind `self`.
    pub(super) given: Vec<Given>,
}

/// A parameter.
#[derive(Clone)]
pub(super) enum Given {
    /// The caller gives it: the number of the argument.
    Argument(usize),
    /// The host gives the actor's context.
    Context { lent: bool },
}

/// A function that makes the actor.
pub(super) struct Constructor {
    pub(super) callable: Callable,
    /// It may fail.
    pub(super) fallible: bool,
    /// It may decide that there is to be no actor.
    pub(super) optional: bool,
    /// It blocks its thread.
    pub(super) blocking: bool,
}

/// A function that is called on the handle.
pub(super) struct Method {
    pub(super) callable: Callable,
    pub(super) options: MethodOptions,
    /// `&mut self`.
    pub(super) exclusive: bool,
    /// Where `self` stands.
    pub(super) receiver: Span,
}

impl Members {
    /// Reads the block, and takes this macro's own attributes off it.
    pub(super) fn of(block: &mut ItemImpl, ty: Option<&Ident>, options: &Options) -> Result<Self, Error> {
        let mut members = Members { constructors: Vec::new(), methods: Vec::new(), hooks: Vec::new() };
        let mut mistakes = Mistakes::default();
        for item in &mut block.items {
            if let ImplItem::Fn(function) = item {
                members.add(function, ty, options, &mut mistakes);
            }
        }
        if members.constructors.is_empty() {
            let message = "an actor needs a constructor: a `pub fn` that returns `Self`, `Result<Self, E>` or `Option<Self>`";
            mistakes.add(&block.self_ty, message);
        }
        mistakes.into_result().map(|()| members)
    }

    fn add(
        &mut self,
        function: &mut ImplItemFn,
        ty: Option<&Ident>,
        options: &Options,
        mistakes: &mut Mistakes,
    ) {
        let (method_options, marked) = MethodOptions::take(&mut function.attrs, mistakes);
        let hook = HookKind::of(&function.sig.ident);
        let is_public = !matches!(function.vis, Visibility::Inherited);
        let receiver = function.sig.receiver();
        let made = receiver.is_none().then(|| Made::of(&function.sig.output, ty)).flatten();
        if let (Some(kind), Some(_)) = (hook, receiver) {
            refuse_mark(marked, "a hook is called by its host alone, and has no options", mistakes);
            if let Some(hook) = mistakes.keep(Hook::of(kind, function)) {
                self.hooks.push(hook);
            }
            return;
        }
        match (receiver, made) {
            (Some(_), _) if is_public => {
                if let Some(method) = mistakes.keep(Method::of(function, method_options, options)) {
                    self.methods.push(method);
                }
            }
            (None, Some(made)) if is_public => {
                let constructor = mistakes.keep(Constructor::of(function, made, &method_options));
                if let (Some(at), true) = (marked, method_options.is_for_methods_alone()) {
                    let message =
                        "a constructor has the option `blocking` alone: give others to #[mobula::actor(…)]";
                    mistakes.merge(Error::new(at, message));
                }
                self.constructors.extend(constructor);
            }
            _ => {
                let message = "only a `pub` function with `self` is called on the handle: make it one, or take \
                               `#[method]` away";
                refuse_mark(marked, message, mistakes);
            }
        }
    }
}

fn refuse_mark(marked: Option<Span>, message: &str, mistakes: &mut Mistakes) {
    if let Some(at) = marked {
        mistakes.merge(Error::new(at, message));
    }
}

/// How a constructor returns the actor.
#[derive(Clone, Copy)]
struct Made {
    fallible: bool,
    optional: bool,
}

impl Made {
    /// `None` where it returns something else.
    fn of(output: &ReturnType, ty: Option<&Ident>) -> Option<Self> {
        let ReturnType::Type(_, returned) = output else { return None };
        let returned = ungrouped((**returned).clone());
        let fallible = is_result(&returned);
        let inner = if fallible { ungrouped(first_argument(&returned, "Result")?) } else { returned };
        let option = first_argument(&inner, "Option").map(ungrouped);
        let optional = option.is_some();
        is_actor(option.as_ref().unwrap_or(&inner), ty).then_some(Made { fallible, optional })
    }
}

fn is_actor(returned: &Type, ty: Option<&Ident>) -> bool {
    match returned {
        Type::Path(path) => path.path.get_ident().is_some_and(|name| name == "Self" || Some(name) == ty),
        _ => false,
    }
}

impl Constructor {
    fn of(function: &ImplItemFn, made: Made, options: &MethodOptions) -> Result<Self, Error> {
        let Made { fallible, optional } = made;
        let callable = Callable::of(Subject::Constructor, function)?;
        let mut mistakes = Mistakes::default();
        let blocking = options.blocking;
        MethodOptions { blocking, ..MethodOptions::default() }.check(
            callable.is_async,
            true,
            &[],
            &mut mistakes,
        );
        mistakes.into_result()?;
        Ok(Constructor { callable, fallible, optional, blocking: blocking.is_some() })
    }
}

impl Method {
    fn of(function: &ImplItemFn, options: MethodOptions, actor: &Options) -> Result<Self, Error> {
        let mut mistakes = Mistakes::default();
        let receiver = function.sig.receiver();
        let exclusive = mistakes.keep(access(function));
        let callable = mistakes.keep(Callable::of(Subject::Method, function));
        if let Some(callable) = &callable {
            let fallible = callable.signature.output.fallible;
            options.check(callable.is_async, fallible, &actor.groups, &mut mistakes);
        }
        let receiver = receiver.map_or_else(|| function.sig.ident.span(), Spanned::span);
        mistakes.into_result()?;
        match (callable, exclusive) {
            (Some(callable), Some(exclusive)) => Ok(Method { callable, options, exclusive, receiver }),
            _ => Err(Error::new(receiver, "the method cannot be read")),
        }
    }
}

/// Whether the function has its actor for itself.
pub(super) fn access(function: &ImplItemFn) -> Result<bool, Error> {
    match function.sig.receiver() {
        Some(receiver) if receiver.reference.is_some() && receiver.colon_token.is_none() => {
            Ok(receiver.mutability.is_some())
        }
        receiver => {
            let message = "an actor's method takes `&mut self` or `&self`: the actor goes on after the call";
            match receiver {
                Some(receiver) => Err(Error::new_spanned(receiver, message)),
                None => Err(Error::new_spanned(&function.sig.ident, message)),
            }
        }
    }
}

impl Callable {
    fn of(subject: Subject, function: &ImplItemFn) -> Result<Self, Error> {
        let mut given = Vec::new();
        let mut arguments = Vec::new();
        for input in function.sig.inputs.iter().filter(|input| matches!(input, FnArg::Typed(_))) {
            match context_parameter(input) {
                Some(lent) => given.push(Given::Context { lent }),
                None => {
                    given.push(Given::Argument(arguments.len()));
                    arguments.push(input);
                }
            }
        }
        let signature = Signature::checked(subject, &function.sig, arguments.into_iter(), None)?;
        let named = |name: &str| -> Vec<Attribute> {
            function.attrs.iter().filter(|attribute| attribute.path().is_ident(name)).cloned().collect()
        };
        Ok(Callable {
            name: function.sig.ident.clone(),
            visibility: function.vis.clone(),
            is_async: function.sig.asyncness.is_some(),
            cfgs: named("cfg"),
            documentation: named("doc"),
            signature,
            given,
        })
    }

    /// The parameters that callers give.
    pub(super) fn parameters(&self) -> &[Parameter] {
        &self.signature.parameters
    }

    /// Whether the host gives it the actor's context.
    pub(super) fn wants_context(&self) -> bool {
        self.given.iter().any(|given| matches!(given, Given::Context { .. }))
    }

    /// The statement that makes the context its own, where it wants it.
    pub(super) fn context_statement(&self) -> Option<TokenStream> {
        self.wants_context().then(|| quote::quote!(let __context = __context.clone();))
    }
}

/// Whether the parameter is an `ActorContext`, and then whether it is lent.
pub(super) fn context_parameter(input: &FnArg) -> Option<bool> {
    let FnArg::Typed(parameter) = input else { return None };
    let is_context = |ty: &Type| match ty {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| last.ident == "ActorContext"),
        _ => false,
    };
    match &*parameter.ty {
        Type::Reference(reference) if reference.mutability.is_none() && is_context(&reference.elem) => {
            Some(true)
        }
        ty if is_context(ty) => Some(false),
        _ => None,
    }
}

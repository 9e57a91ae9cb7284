//! The functions that are linked into this program.
//!
//! Each `#[mobula::remote]` function puts a [`RemoteFunction`] into [`FUNCTIONS`] at link time. Its `remote` refers to
//! the same static, so that what can be submitted is also registered.

use mobula_host::{Body, DuplicateFunction, Function, FunctionTable};
use mobula_types::{FunctionId, FunctionInfo, TaskOptions, TaskTemplate};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Every function of the program.
#[linkme::distributed_slice]
pub static FUNCTIONS: [RemoteFunction];

/// One `#[mobula::remote]` function. Made by the macro.
pub struct RemoteFunction {
    name: &'static str,
    version: &'static str,
    signature: u64,
    signature_text: &'static str,
    place: &'static str,
    body: Body,
    options: fn() -> TaskOptions,
    template: OnceLock<Arc<TaskTemplate>>,
}

impl RemoteFunction {
    /// For the macro's output. `name` is `crate::module::name`, `place` is `file:line`.
    pub const fn new(
        name: &'static str,
        version: &'static str,
        (signature, signature_text): (u64, &'static str),
        place: &'static str,
        body: Body,
        options: fn() -> TaskOptions,
    ) -> Self {
        let template = OnceLock::new();
        RemoteFunction { name, version, signature, signature_text, place, body, options, template }
    }

    /// Its name: `crate::module::name`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// `file:line` of its definition.
    pub fn place(&self) -> &'static str {
        self.place
    }

    /// The template of a call without options of its own; always the same `Arc`.
    pub fn template(&self) -> &Arc<TaskTemplate> {
        self.template.get_or_init(|| {
            Arc::new(TaskTemplate {
                function: FunctionId::new(self.name, self.version),
                signature: Some(self.signature),
                options: (self.options)(),
            })
        })
    }

    /// What is announced of it.
    pub fn info(&self) -> FunctionInfo {
        FunctionInfo {
            id: FunctionId::new(self.name, self.version),
            signature: self.signature,
            signature_text: self.signature_text.into(),
            kind: self.body.kind(),
            place: self.place.into(),
        }
    }
}

impl fmt::Debug for RemoteFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) at {}", self.name, self.signature_text, self.place)
    }
}

/// Whether the program has any function that a worker could run.
pub(crate) fn has_functions() -> bool {
    !FUNCTIONS.is_empty()
}

/// The table of the program's functions.
///
/// # Errors
/// Where two have the same name; names both places.
pub(crate) fn function_table() -> Result<FunctionTable, DuplicateFunction> {
    let function =
        |function: &RemoteFunction| Function { info: function.info(), body: function.body.clone() };
    FunctionTable::new(FUNCTIONS.iter().map(function))
}

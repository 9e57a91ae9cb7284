//! The table of functions of one worker.

use crate::Function;
use mobula_types::{Failure, FailureKind, FunctionInfo, TaskTemplate};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Functions by name.
#[derive(Clone, Debug, Default)]
pub struct FunctionTable {
    by_name: BTreeMap<Arc<str>, Arc<Function>>,
}

/// Two functions of one name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two functions are named {name}: one at {first}, one at {second}; rename one of them")]
pub struct DuplicateFunction {
    /// The name.
    pub name: Arc<str>,
    /// Where the first is defined.
    pub first: Arc<str>,
    /// Where the second is defined.
    pub second: Arc<str>,
}

impl FunctionTable {
    /// The table of these functions.
    ///
    /// # Errors
    /// Where two have the same name, whatever their versions.
    pub fn new(functions: impl IntoIterator<Item = Function>) -> Result<Self, DuplicateFunction> {
        let mut by_name: BTreeMap<Arc<str>, Arc<Function>> = BTreeMap::new();
        for function in functions {
            let name = function.info.id.name.clone();
            let second = function.info.place.clone();
            if let Some(first) = by_name.insert(name.clone(), Arc::new(function)) {
                return Err(DuplicateFunction { name, first: first.info.place.clone(), second });
            }
        }
        Ok(FunctionTable { by_name })
    }

    /// What to announce, by name.
    pub fn infos(&self) -> Vec<FunctionInfo> {
        self.by_name.values().map(|function| function.info.clone()).collect()
    }

    /// The function of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Function>> {
        self.by_name.get(name)
    }

    /// The function that a template means. A template without a version or a signature takes what is there.
    ///
    /// # Errors
    /// `UnknownFunction`, or `FunctionMismatch` with both versions or signatures.
    pub fn resolve(&self, template: &TaskTemplate) -> Result<&Arc<Function>, Failure> {
        let wanted = &template.function;
        let Some(function) = self.get(&wanted.name) else {
            let message = format!("this worker has no function {wanted}; it has {}", self.some_names());
            return Err(Failure::new(FailureKind::UnknownFunction, message));
        };
        let info = &function.info;
        let other_version = !wanted.version.is_empty() && wanted.version != info.id.version;
        let other_signature = template.signature.is_some_and(|signature| signature != info.signature);
        if other_version || other_signature {
            let message = format!(
                "the caller means {wanted} with signature {:016x}, and this worker has {} with signature {:016x}: {} at {}",
                template.signature.unwrap_or(info.signature),
                info.id,
                info.signature,
                info.signature_text,
                info.place,
            );
            return Err(Failure::new(FailureKind::FunctionMismatch, message));
        }
        Ok(function)
    }

    fn some_names(&self) -> String {
        let shown: Vec<&str> = self.by_name.keys().take(10).map(|name| &**name).collect();
        match self.by_name.len() {
            0 => "none".into(),
            all if all > shown.len() => format!("{} and {} more", shown.join(", "), all - shown.len()),
            _ => shown.join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, CallResult};
    use mobula_types::{FunctionId, FunctionKind, Outcome};

    fn function(name: &str, place: &str) -> Function {
        let info = FunctionInfo {
            id: FunctionId::new(name, "1.0.0"),
            signature: 7,
            signature_text: "fn()".into(),
            kind: FunctionKind::Blocking,
            place: place.into(),
        };
        Function { info, body: Body::Blocking(|_| CallResult::of(Outcome::Values(Vec::new()))) }
    }

    fn template(name: &str, version: &str, signature: Option<u64>) -> TaskTemplate {
        TaskTemplate { function: FunctionId::new(name, version), signature, options: Default::default() }
    }

    #[test]
    fn duplicates_name_both_places() {
        let error = FunctionTable::new([function("a::f", "a.rs:1"), function("a::f", "b.rs:2")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "two functions are named a::f: one at a.rs:1, one at b.rs:2; rename one of them"
        );
    }

    #[test]
    fn a_template_finds_its_function_or_hears_why_not() {
        let table = FunctionTable::new([function("a::f", "a.rs:1"), function("a::g", "a.rs:9")]).unwrap();
        assert!(table.resolve(&template("a::f", "1.0.0", Some(7))).is_ok());
        assert!(table.resolve(&template("a::f", "", None)).is_ok());
        let unknown = table.resolve(&template("a::h", "", None)).unwrap_err();
        assert_eq!(unknown.kind(), FailureKind::UnknownFunction);
        assert!(unknown.message().contains("a::f, a::g"), "{unknown}");
        for other in [template("a::f", "2.0.0", Some(7)), template("a::f", "1.0.0", Some(8))] {
            let mismatch = table.resolve(&other).unwrap_err();
            assert_eq!(mismatch.kind(), FailureKind::FunctionMismatch);
            assert!(mismatch.message().contains("0000000000000007"), "{mismatch}");
            assert!(mismatch.message().contains("a.rs:1"), "{mismatch}");
        }
    }
}

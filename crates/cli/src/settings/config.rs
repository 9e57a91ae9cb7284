//! The settings of a server: a TOML file, then `MOBULA_…` variables, then flags, the later ones counting more.
//!
//! A key that does not exist is an error wherever it stands, and the error suggests the key that was probably meant.

use crate::failure::{CommandFailure, Outcome};
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use std::path::Path;
use std::str::FromStr;

/// What every variable starts with.
const PREFIX: &str = "MOBULA_";

/// Variables that begin so and are not settings of a server.
const OTHER_VARIABLES: &[&str] = &["CLUSTER", "CONFIG", "LOG", "WORKER", "WORKER_", "TEST_", "BENCH_"];

/// Where settings come from, apart from the flags.
#[derive(Debug)]
pub(crate) struct ConfigSource<'a> {
    /// What is configured, for messages: `head` or `node`.
    pub(crate) role: &'a str,
    /// The file, if one was named.
    pub(crate) file: Option<&'a Path>,
    /// The names of the settings.
    pub(crate) keys: &'a [&'a str],
}

/// Reads the settings. `flags` has those that were given as flags, and no others.
///
/// # Errors
/// A file that is not there or does not parse, a key that does not exist, a value of the wrong kind: each with its place.
pub(crate) fn load<T: DeserializeOwned>(source: &ConfigSource<'_>, flags: &impl Serialize) -> Outcome<T> {
    check_environment(source)?;
    let mut figment = Figment::new();
    if let Some(file) = source.file {
        // Checked here, since a file that is missing counts as empty.
        std::fs::File::open(file).map_err(|error| {
            CommandFailure::usage(format!("cannot read the configuration file {}", file.display()))
                .because(&error)
        })?;
        figment = figment.merge(Toml::file_exact(file));
    }
    figment = figment.merge(Env::prefixed(PREFIX).only(source.keys)).merge(Serialized::defaults(flags));
    figment.extract().map_err(|error| explain(source, &error))
}

/// Refuses variables that look like settings and are none.
fn check_environment(source: &ConfigSource<'_>) -> Outcome {
    for (name, _) in std::env::vars_os() {
        let Some(key) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let known = source.keys.iter().any(|known| known.eq_ignore_ascii_case(key));
        if known || is_other_variable(key) || is_service_link(key) {
            continue;
        }
        let failure = CommandFailure::usage(format!("the {} has no setting for {PREFIX}{key}", source.role));
        return Err(with_suggestion(failure, &key.to_lowercase(), source.keys, |key| {
            format!("{PREFIX}{}", key.to_uppercase())
        }));
    }
    Ok(())
}

fn is_other_variable(key: &str) -> bool {
    OTHER_VARIABLES.iter().any(|other| key == *other || (other.ends_with('_') && key.starts_with(other)))
}

/// Whether Kubernetes made the variable, for a Service whose name begins with `mobula-`.
fn is_service_link(key: &str) -> bool {
    key.ends_with("_SERVICE_HOST")
        || key.contains("_SERVICE_PORT")
        || key.ends_with("_PORT")
        || key.contains("_TCP")
        || key.contains("_UDP")
}

fn explain(source: &ConfigSource<'_>, errors: &figment::Error) -> CommandFailure {
    let Some(error) = errors.clone().into_iter().next() else {
        return CommandFailure::usage(format!("cannot read the settings of the {}", source.role));
    };
    let place = error.metadata.as_ref().map(|metadata| match &metadata.source {
        Some(place) => format!(" in {place}"),
        None => format!(" in {}", metadata.name),
    });
    let place = place.unwrap_or_default();
    match &error.kind {
        figment::error::Kind::UnknownField(key, _) => {
            let what = format!("the {} has no setting '{key}'{place}", source.role);
            with_suggestion(CommandFailure::usage(what), key, source.keys, str::to_owned)
        }
        kind => {
            let key = error.path.join(".");
            let what = format!("the setting '{key}' of the {} is wrong{place}", source.role);
            CommandFailure::usage(what).because_of(kind.to_string())
        }
    }
}

fn with_suggestion(
    failure: CommandFailure,
    wrong: &str,
    keys: &[&str],
    show: impl Fn(&str) -> String,
) -> CommandFailure {
    /// How alike two names have to be, from 0 to 1, for one to be meant by the other.
    const ALIKE: f64 = 0.75;
    let nearest = keys
        .iter()
        .map(|key| (strsim::jaro_winkler(key, wrong), *key))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|left, right| left.0.total_cmp(&right.0));
    match nearest {
        Some((_, key)) => failure.advise(format!("did you mean {}?", show(key))),
        None => {
            let all: Vec<String> = keys.iter().map(|key| show(key)).collect();
            failure.advise(format!("the settings are {}", all.join(", ")))
        }
    }
}

/// Reads one text, several, or several in one text with commas between them.
pub(crate) fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        One(String),
        Many(Vec<String>),
    }
    let parts = match Either::deserialize(deserializer)? {
        Either::One(text) => text.split(',').map(str::to_owned).collect(),
        Either::Many(parts) => parts,
    };
    let parts = parts.iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty());
    Ok(parts.collect())
}

/// A named amount or label, as `NAME=VALUE` on the command line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pair<T>(pub(crate) String, pub(crate) T);

impl<T: FromStr> FromStr for Pair<T> {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or_else(|| format!("'{text}' is not NAME=VALUE"))?;
        let value = value.parse().map_err(|_| format!("the value of '{text}' is of the wrong kind"))?;
        if name.is_empty() { Err(format!("'{text}' has no name")) } else { Ok(Pair(name.into(), value)) }
    }
}

/// Pairs as a table of the file, and back.
pub(crate) mod pairs {
    use super::Pair;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        pairs: &[Pair<T>],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(pairs.iter().map(|Pair(name, value)| (name, value)))
    }

    pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Pair<T>>, D::Error> {
        let map = BTreeMap::<String, T>::deserialize(deserializer)?;
        Ok(map.into_iter().map(|(name, value)| Pair(name, value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        listen: Option<String>,
        #[serde(default, deserialize_with = "one_or_many")]
        etcd: Vec<String>,
    }

    #[derive(Default, Serialize)]
    struct Flags {
        #[serde(skip_serializing_if = "Option::is_none")]
        listen: Option<String>,
    }

    fn read(content: &str, flags: &Flags) -> Outcome<Sample> {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(content.as_bytes()).expect("it can be written");
        let source = ConfigSource { role: "head", file: Some(file.path()), keys: &["listen", "etcd"] };
        load(&source, flags)
    }

    #[test]
    fn a_flag_counts_more_than_the_file() {
        let flags = Flags { listen: Some("flag:1".into()) };
        let sample = read("listen = 'file:1'\netcd = 'http://a, http://b'", &flags).expect("it is right");
        assert_eq!(sample.listen.as_deref(), Some("flag:1"));
        assert_eq!(sample.etcd, ["http://a", "http://b"]);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_suggests() {
        let text = read("lisen = 'a:1'", &Flags::default()).expect_err("there is no such key").to_string();
        assert!(text.contains("no setting 'lisen'") && text.contains("did you mean listen?"), "{text}");
    }

    #[test]
    fn a_value_of_the_wrong_kind_names_its_key() {
        let text = read("listen = 3", &Flags::default()).expect_err("it is a number").to_string();
        assert!(text.contains("'listen'"), "{text}");
    }

    #[test]
    fn variables_of_others_are_left_alone() {
        assert!(is_service_link("HEAD_SERVICE_HOST") && is_service_link("NODE_PORT_7421_TCP_ADDR"));
        assert!(is_other_variable("WORKER_BINARY") && is_other_variable("LOG"));
        assert!(!is_other_variable("LISTEN") && !is_service_link("LISTEN"));
    }
}

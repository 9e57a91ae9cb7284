//! Where things are in the registry: `/mobula/<cluster>/<kind>/…`.

use crate::error::HeadError;
use mobula_registry::MAX_KEY_BYTES;
use mobula_types::actor::SpecKey;
use mobula_types::{ActorId, JobId, NodeName};
use std::fmt::Write;

/// The keys of one cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(cluster: &str) -> Result<Self, HeadError> {
        let plain = cluster.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !plain || cluster.is_empty() || cluster.len() > 64 {
            return Err(HeadError::ClusterName { name: cluster.chars().take(80).collect() });
        }
        Ok(Keys { prefix: format!("/mobula/{cluster}") })
    }

    /// The cluster's own record.
    pub(crate) fn cluster(&self) -> String {
        format!("{}/cluster", self.prefix)
    }

    /// The registry's incarnation.
    pub(crate) fn incarnation(&self) -> String {
        format!("{}/incarnation", self.prefix)
    }

    /// The leader's key: whoever created it leads, for as long as its lease lasts.
    pub(crate) fn leader(&self) -> String {
        format!("{}/leader", self.prefix)
    }

    /// Heads that registered.
    pub(crate) fn heads(&self) -> String {
        format!("{}/heads/", self.prefix)
    }

    pub(crate) fn head(&self, address: &str) -> String {
        format!("{}{}", self.heads(), escape(address))
    }

    /// Nodes' records.
    pub(crate) fn nodes(&self) -> String {
        format!("{}/nodes/", self.prefix)
    }

    pub(crate) fn node(&self, name: &NodeName) -> String {
        format!("{}{}", self.nodes(), escape(name.as_str()))
    }

    /// Keys that live as long as their nodes' leases.
    pub(crate) fn alive(&self) -> String {
        format!("{}/alive/", self.prefix)
    }

    pub(crate) fn node_alive(&self, name: &NodeName) -> String {
        format!("{}{}", self.alive(), escape(name.as_str()))
    }

    /// Jobs' records.
    pub(crate) fn jobs(&self) -> String {
        format!("{}/jobs/", self.prefix)
    }

    pub(crate) fn job(&self, job: JobId) -> String {
        format!("{}{job}", self.jobs())
    }

    /// The job whose record is under a key.
    pub(crate) fn job_of(&self, key: &str) -> Option<JobId> {
        key.strip_prefix(&self.jobs())?.parse().ok()
    }

    /// Actors' records.
    pub(crate) fn actors(&self) -> String {
        format!("{}/actors/", self.prefix)
    }

    pub(crate) fn actor(&self, actor: ActorId) -> String {
        format!("{}{actor}", self.actors())
    }

    /// The actor whose record is under a key.
    pub(crate) fn actor_of(&self, key: &str) -> Option<ActorId> {
        key.strip_prefix(&self.actors())?.parse().ok()
    }

    /// Supervisors' records.
    pub(crate) fn supervisors(&self) -> String {
        format!("{}/supervisors/", self.prefix)
    }

    pub(crate) fn supervisor(&self, supervisor: ActorId) -> String {
        format!("{}{supervisor}", self.supervisors())
    }

    /// The supervisor whose record is under a key.
    pub(crate) fn supervisor_of(&self, key: &str) -> Option<ActorId> {
        key.strip_prefix(&self.supervisors())?.parse().ok()
    }

    /// What actors are started from, by a hash of it.
    pub(crate) fn specs(&self) -> String {
        format!("{}/specs/", self.prefix)
    }

    pub(crate) fn spec(&self, key: SpecKey) -> String {
        format!("{}{:032x}", self.specs(), key.0)
    }

    /// The spec whose record is under a key.
    pub(crate) fn spec_of(&self, key: &str) -> Option<SpecKey> {
        u128::from_str_radix(key.strip_prefix(&self.specs())?, 16).ok().map(SpecKey)
    }

    /// Whose the names of actors and supervisors are.
    pub(crate) fn actor_names(&self) -> String {
        format!("{}/names/", self.prefix)
    }

    /// A namespace and a name of 200 bytes each fit a key, whatever is in them.
    pub(crate) fn actor_name(&self, namespace: &str, name: &str) -> String {
        let key = format!("{}{}/{}", self.actor_names(), escape(namespace), escape(name));
        if key.len() <= MAX_KEY_BYTES {
            return key;
        }
        format!("{}{}/{}", self.actor_names(), escape_briefly(namespace), escape_briefly(name))
    }

    /// The namespace and the name at the end of a key.
    pub(crate) fn actor_name_of(&self, key: &str) -> Option<(String, String)> {
        let (namespace, name) = key.strip_prefix(&self.actor_names())?.split_once('/')?;
        Some((unescape(namespace)?, unescape(name)?))
    }

    /// The name at the end of a key.
    pub(crate) fn name_of(key: &str, prefix: &str) -> Option<NodeName> {
        unescape(key.strip_prefix(prefix)?).map(|name| NodeName(name.into()))
    }
}

/// Keeps letters, digits, `-`, `_` and `.`; the rest becomes `%` and two hexadecimal digits a byte.
fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ok = write!(escaped, "%{byte:02x}");
        }
    }
    escaped
}

/// Keeps everything but `%` and `/`, which become `%p` and `%s`: for what is too long with three bytes for one.
fn escape_briefly(name: &str) -> String {
    name.replace('%', "%p").replace('/', "%s")
}

/// What is behind either way to escape: no letter after a `%` is a digit of the other.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let brief =
            [(b'p', b'%'), (b's', b'/')].into_iter().find(|(letter, _)| after.first() == Some(letter));
        if *first == b'%'
            && let Some((_, byte)) = brief
        {
            bytes.push(byte);
            rest = &after[1..];
        } else if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_names_fit_their_keys() {
        let keys = Keys::new(&"c".repeat(64)).unwrap();
        for letter in ["a", "%", "/", " ", "\n", "ж", "本", "%2f", "%p"] {
            let longest = letter.repeat(200 / letter.len());
            for (namespace, name) in [("", &*longest), (&*longest, &*longest), (&*longest, "x")] {
                let key = keys.actor_name(namespace, name);
                assert!(key.len() <= MAX_KEY_BYTES, "{} bytes", key.len());
                let found = keys.actor_name_of(&key);
                assert_eq!(found, Some((namespace.to_owned(), name.to_owned())));
            }
        }
    }

    #[test]
    fn names_survive_their_keys() {
        let keys = Keys::new("test").unwrap();
        for name in ["host:7421", "a/b", "ü %", "plain-name_1.2"] {
            let name = NodeName::from(name);
            let key = keys.node(&name);
            assert!(!key[keys.nodes().len()..].contains('/'), "{key}");
            assert_eq!(Keys::name_of(&key, &keys.nodes()), Some(name));
        }
        assert_eq!(keys.job_of(&keys.job(JobId(7))), Some(JobId(7)));
        assert_eq!(keys.job_of("/mobula/test/jobs/none"), None);
        let actor = ActorId(mobula_types::TaskId { high: 3, low: u64::MAX });
        assert_eq!(keys.actor_of(&keys.actor(actor)), Some(actor));
        assert_eq!(keys.supervisor_of(&keys.supervisor(actor)), Some(actor));
        assert_eq!(keys.spec_of(&keys.spec(SpecKey(u128::MAX))), Some(SpecKey(u128::MAX)));
        assert_eq!(keys.spec_of(&keys.actor(actor)), None);
        assert!(matches!(Keys::new("a/b"), Err(HeadError::ClusterName { .. })));
        assert!(Keys::new("").is_err());
    }
}

//! What the codec notes while it encodes or decodes on this thread: the references that it meets.
//!
//! `Serialize` and `Deserialize` have no room for a context, so it lies in thread-local variables for exactly the
//! time of one call of the codec. Nested calls (a `Serialize` that encodes another value) have a scope of their own.

use crate::context;
use crate::link::Link;
use crate::reference::Handle;
use mobula_types::{Failure, NodeId, ObjectId};
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// How many references of one value carry the name of their type; later ones carry its hash alone.
const NAMED_TYPES: usize = 16;
const BUFFER_KEPT: usize = 256 * 1024;

thread_local! {
    static ENCODING: RefCell<Option<EncodeScope>> = const { RefCell::new(None) };
    static DECODING: RefCell<Option<DecodeScope>> = const { RefCell::new(None) };
    static REFUSAL: RefCell<Option<Failure>> = const { RefCell::new(None) };
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

#[derive(Default)]
struct EncodeScope {
    contained: Vec<Arc<Handle>>,
    /// The same bytes wherever the objects' owners are: for hashes.
    without_owners: bool,
}

/// Where the references inside a value come from.
#[derive(Default)]
pub(crate) struct DecodeScope {
    /// The session that the value came over.
    pub(crate) link: Option<Arc<Link>>,
    /// Handles for the contained references that the session already holds, in the value's order.
    pub(crate) contained: Option<Arc<[Arc<Handle>]>>,
    next: usize,
    last_owner: Option<NodeId>,
}

impl DecodeScope {
    pub(crate) fn new(link: Option<Arc<Link>>, contained: Option<Arc<[Arc<Handle>]>>) -> Self {
        DecodeScope { link, contained, next: 0, last_owner: None }
    }

    /// The handle of that object among the contained ones; they are usually asked for in order.
    fn contained(&mut self, object: ObjectId) -> Option<Arc<Handle>> {
        let contained = self.contained.as_ref()?;
        let place = match contained.get(self.next) {
            Some(handle) if handle.object() == object => self.next,
            _ => contained.iter().position(|handle| handle.object() == object)?,
        };
        self.next = place + 1;
        contained.get(place).cloned()
    }
}

/// How a reference is to be written.
pub(crate) struct WriteRules {
    pub(crate) named: bool,
    pub(crate) without_owner: bool,
}

/// Runs `encode` in a scope and returns the references that it met.
pub(crate) fn encoding<T>(encode: impl FnOnce() -> T) -> (T, Vec<Arc<Handle>>) {
    run_encoding(EncodeScope::default(), encode)
}

/// Runs `encode` so that the bytes do not depend on the owners of the references in them.
pub(crate) fn encoding_without_owners<T>(encode: impl FnOnce() -> T) -> T {
    run_encoding(EncodeScope { without_owners: true, ..EncodeScope::default() }, encode).0
}

fn run_encoding<T>(scope: EncodeScope, encode: impl FnOnce() -> T) -> (T, Vec<Arc<Handle>>) {
    struct Restore(Option<EncodeScope>);
    impl Drop for Restore {
        fn drop(&mut self) {
            ENCODING.with(|current| *current.borrow_mut() = self.0.take());
        }
    }
    let restore = Restore(ENCODING.with(|current| current.borrow_mut().replace(scope)));
    let result = encode();
    let scope = ENCODING.with(|current| current.borrow_mut().take());
    drop(restore);
    (result, scope.map(|scope| scope.contained).unwrap_or_default())
}

/// Notes a reference that is being written; `None` outside of the codec.
pub(crate) fn note_written(handle: &Arc<Handle>) -> Option<WriteRules> {
    ENCODING.with(|current| {
        let mut current = current.borrow_mut();
        let scope = current.as_mut()?;
        scope.contained.push(handle.clone());
        Some(WriteRules {
            named: scope.contained.len() <= NAMED_TYPES && !scope.without_owners,
            without_owner: scope.without_owners,
        })
    })
}

/// Whether the codec writes a value on this thread now.
pub(crate) fn is_encoding() -> bool {
    ENCODING.with(|current| current.borrow().is_some())
}

/// The session that the value which is being read came over.
///
/// # Errors
/// As [`resolve_read`].
pub(crate) fn link_read() -> Result<Arc<Link>, &'static str> {
    DECODING.with(|current| {
        let current = current.borrow();
        let scope = current.as_ref().ok_or(OUTSIDE)?;
        scope.link.clone().ok_or("this value did not come from a cluster")
    })
}

/// Runs `decode` in a scope.
pub(crate) fn decoding<T>(scope: DecodeScope, decode: impl FnOnce() -> T) -> T {
    struct Restore(Option<DecodeScope>);
    impl Drop for Restore {
        fn drop(&mut self) {
            DECODING.with(|current| *current.borrow_mut() = self.0.take());
        }
    }
    let _restore = Restore(DECODING.with(|current| current.borrow_mut().replace(scope)));
    decode()
}

/// The handle for a reference that is being read.
///
/// # Errors
/// Says so outside of the codec, and where the value did not come over a session.
pub(crate) fn resolve_read(
    object: ObjectId,
    owner: Option<(&str, u64)>,
) -> Result<Arc<Handle>, &'static str> {
    DECODING.with(|current| {
        let mut current = current.borrow_mut();
        let scope = current.as_mut().ok_or(OUTSIDE)?;
        if let Some(handle) = scope.contained(object) {
            return Ok(handle);
        }
        let link = scope.link.clone().ok_or("this value did not come from a cluster")?;
        let owner = owner.map(|(name, generation)| scope.owner(name, generation));
        let handle = Handle::lent(link, object, owner);
        context::note_lent(&handle);
        Ok(handle)
    })
}

impl DecodeScope {
    fn owner(&mut self, name: &str, generation: u64) -> NodeId {
        match &self.last_owner {
            Some(last) if last.name.as_str() == name && last.generation.0 == generation => last.clone(),
            _ => self.last_owner.insert(NodeId::new(name, generation)).clone(),
        }
    }
}

pub(crate) const OUTSIDE: &str = "an ObjectRef can only be serialised and deserialised by Mobula itself, as part of \
     an argument, a result or a put: outside of the cluster nobody would know that it keeps an object alive";

/// Leaves a typed failure for the codec, whose serde error can only carry text.
pub(crate) fn refuse(failure: Failure) {
    REFUSAL.with(|refusal| *refusal.borrow_mut() = Some(failure));
}

pub(crate) fn take_refusal() -> Option<Failure> {
    REFUSAL.with(|refusal| refusal.borrow_mut().take())
}

/// Lends an empty buffer that keeps its memory from call to call.
pub(crate) fn with_buffer<T>(use_it: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    let mut buffer = BUFFER.with(Cell::take);
    buffer.clear();
    let result = use_it(&mut buffer);
    if buffer.capacity() <= BUFFER_KEPT {
        BUFFER.with(|kept| kept.set(buffer));
    }
    result
}

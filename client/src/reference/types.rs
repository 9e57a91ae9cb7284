//! The names of the types that references are to.
//!
//! A reference inside a value carries a 32-bit hash of its type's name, and the first ones of each value the name too, so
//! that a mismatch can name both types.

use foldhash::HashMap;
use parking_lot::Mutex;
use std::any::type_name;
use std::sync::LazyLock;

/// How many names are remembered.
const KNOWN: usize = 4096;

static NAMES: LazyLock<Mutex<HashMap<u32, Box<str>>>> = LazyLock::new(Mutex::default);

/// The hash of a type's name (FNV-1a, 32 bits): the same in every process of the same program, and in another program that
/// has the type at the same path, whatever versions of other crates it is built with.
pub(super) fn hash_of<T: ?Sized>() -> u32 {
    const OFFSET: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    type_name::<T>().bytes().fold(OFFSET, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(PRIME))
}

/// Remembers a name that came with a reference.
pub(super) fn learn(hash: u32, name: &str) {
    let mut names = NAMES.lock();
    if names.len() < KNOWN && !names.contains_key(&hash) {
        names.insert(hash, name.into());
    }
}

/// The name, as far as it is known here.
pub(super) fn name(hash: u32) -> String {
    match NAMES.lock().get(&hash) {
        Some(name) => name.to_string(),
        None => format!("another type (its name's hash is {hash:08x})"),
    }
}

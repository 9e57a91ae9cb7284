//! Positions in the engine's tables.

use indexmap::{IndexMap, IndexSet};

/// A map with a fixed seed, whose order depends on the order of insertions and removals alone.
pub(super) type Index<K, V> = IndexMap<K, V, foldhash::fast::FixedState>;

/// A set of the same kind.
pub(super) type OrderedSet<K> = IndexSet<K, foldhash::fast::FixedState>;

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub(super) struct $name(u32);

        impl $name {
            /// Stands for no entry.
            pub(super) const NONE: $name = $name(u32::MAX);

            #[inline]
            pub(super) fn new(position: usize) -> Self {
                debug_assert!(position < u32::MAX as usize);
                $name(position as u32)
            }

            #[inline]
            pub(super) fn at(self) -> usize {
                self.0 as usize
            }

            #[inline]
            pub(super) fn is_none(self) -> bool {
                self == Self::NONE
            }
        }
    };
}

key!(
    /// A task on record.
    TaskKey
);
key!(
    /// An object on record.
    ObjectKey
);
key!(
    /// A job that is open.
    JobKey
);
key!(
    /// Tasks of one job that are alike.
    ShapeKey
);

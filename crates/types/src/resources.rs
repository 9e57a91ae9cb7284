//! Resources that tasks ask for and nodes have.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// An amount of a resource, in steps of 0.0001.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub struct Quantity(u64);

impl Quantity {
    const STEPS: u64 = 10_000;
    /// None.
    pub const ZERO: Quantity = Quantity(0);
    /// One whole unit.
    pub const ONE: Quantity = Quantity(Self::STEPS);

    /// `units` whole units.
    pub const fn whole(units: u64) -> Self {
        Quantity(units.saturating_mul(Self::STEPS))
    }

    /// The amount nearest to `units`; `None` for a negative, infinite or absurdly large number.
    pub fn from_f64(units: f64) -> Option<Self> {
        let steps = (units * Self::STEPS as f64).round();
        (0.0..=9.0e15).contains(&steps).then_some(Quantity(steps as u64))
    }

    /// The amount in units.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / Self::STEPS as f64
    }

    /// The amount in steps of 0.0001, as it travels.
    pub const fn steps(self) -> u64 {
        self.0
    }

    /// The amount of that many steps of 0.0001.
    pub const fn from_steps(steps: u64) -> Self {
        Quantity(steps)
    }

    /// The sum; saturates.
    pub const fn plus(self, other: Self) -> Self {
        Quantity(self.0.saturating_add(other.0))
    }

    /// The difference, or `None` where `other` is more.
    pub const fn minus(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(steps) => Some(Quantity(steps)),
            None => None,
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_f64())
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A set of amounts: what a task needs, or what a node has.
///
/// ```
/// use mobula_types::{Quantity, Resources};
/// let mut node = Resources { cpu: Quantity::whole(2), ..Resources::default() };
/// let task = Resources::cpus(1);
/// assert!(node.try_take(&task));
/// assert!(node.try_take(&task));
/// assert!(!node.try_take(&task));
/// ```
#[derive(
    Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, serde::Serialize, serde::Deserialize,
)]
pub struct Resources {
    /// Logical CPUs.
    pub cpu: Quantity,
    /// GPUs.
    pub gpu: Quantity,
    /// Memory in bytes, as whole units.
    pub memory: Quantity,
    /// Everything else, by name.
    pub custom: BTreeMap<Arc<str>, Quantity>,
}

impl Resources {
    /// `count` CPUs and nothing else.
    pub fn cpus(count: u64) -> Self {
        Resources { cpu: Quantity::whole(count), ..Resources::default() }
    }

    /// Whether all of `need` is there.
    pub fn covers(&self, need: &Resources) -> bool {
        self.cpu >= need.cpu
            && self.gpu >= need.gpu
            && self.memory >= need.memory
            && need.custom.iter().all(|(name, amount)| self.custom_amount(name) >= *amount)
    }

    /// Takes `need` away if all of it is there; otherwise changes nothing and says `false`.
    pub fn try_take(&mut self, need: &Resources) -> bool {
        if !self.covers(need) {
            return false;
        }
        let take = |have: &mut Quantity, amount: Quantity| *have = have.minus(amount).unwrap_or_default();
        take(&mut self.cpu, need.cpu);
        take(&mut self.gpu, need.gpu);
        take(&mut self.memory, need.memory);
        for (name, amount) in &need.custom {
            if let Some(have) = self.custom.get_mut(name) {
                take(have, *amount);
            }
        }
        true
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Resources) {
        self.cpu = self.cpu.plus(other.cpu);
        self.gpu = self.gpu.plus(other.gpu);
        self.memory = self.memory.plus(other.memory);
        for (name, amount) in &other.custom {
            let have = self.custom.entry(name.clone()).or_default();
            *have = have.plus(*amount);
        }
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.cpu == Quantity::ZERO && self.is_only_cpus()
    }

    /// Whether nothing but CPUs is asked for.
    pub fn is_only_cpus(&self) -> bool {
        self.gpu == Quantity::ZERO
            && self.memory == Quantity::ZERO
            && self.custom.values().all(|amount| *amount == Quantity::ZERO)
    }

    /// The amount of a custom resource.
    pub fn custom_amount(&self, name: &str) -> Quantity {
        self.custom.get(name).copied().unwrap_or_default()
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} CPU", self.cpu)?;
        if self.gpu > Quantity::ZERO {
            write!(f, ", {} GPU", self.gpu)?;
        }
        if self.memory > Quantity::ZERO {
            write!(f, ", {} MiB memory", self.memory.as_f64() as u64 >> 20)?;
        }
        self.custom.iter().try_for_each(|(name, amount)| write!(f, ", {amount} {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_exact_to_the_step() {
        let tenth = Quantity::from_f64(0.1).unwrap();
        let sum = (0..10).fold(Quantity::ZERO, |sum, _| sum.plus(tenth));
        assert_eq!(sum, Quantity::ONE);
        assert_eq!(Quantity::from_f64(-1.0), None);
        assert_eq!(Quantity::from_f64(f64::NAN), None);
    }

    #[test]
    fn a_refused_take_changes_nothing() {
        let mut node = Resources::cpus(4);
        let mut need = Resources::cpus(1);
        need.custom.insert("disk".into(), Quantity::ONE);
        let before = node.clone();
        assert!(!node.try_take(&need));
        assert_eq!(node, before);
    }
}

//! What the node has and what its runs use.

use mobula_types::{Quantity, Resources};

/// The books of the node's resources: exact, in steps of 0.0001, never more used than there is.
///
/// [`Ledger::take`] and [`Ledger::take_cpu`] must only follow a check that it fits. The exceptions are a run that a
/// worker started on CPUs which its slot had given back (see `start_head`), and an actor, which the head has placed by what
/// it has granted: then the books say so, and nothing is admitted until that is made up for.
#[derive(Debug)]
pub(super) struct Ledger {
    total: Resources,
    used: Resources,
}

impl Ledger {
    pub(super) fn new(total: Resources) -> Self {
        Ledger { total, used: Resources::default() }
    }

    pub(super) fn total(&self) -> &Resources {
        &self.total
    }

    pub(super) fn used(&self) -> &Resources {
        &self.used
    }

    /// Whether all of `need` is free.
    pub(super) fn fits(&self, need: &Resources) -> bool {
        self.fits_cpu(need.cpu) && self.fits_besides_cpu(need)
    }

    /// Whether so many CPUs are free. None are always free.
    pub(super) fn fits_cpu(&self, cpu: Quantity) -> bool {
        cpu == Quantity::ZERO || self.used.cpu.plus(cpu) <= self.total.cpu
    }

    /// Whether everything but the CPUs is free.
    pub(super) fn fits_besides_cpu(&self, need: &Resources) -> bool {
        let fits = |need: Quantity, used: Quantity, total: Quantity| {
            need == Quantity::ZERO || used.plus(need) <= total
        };
        fits(need.gpu, self.used.gpu, self.total.gpu)
            && fits(need.memory, self.used.memory, self.total.memory)
            && need.custom.iter().all(|(name, need)| {
                fits(*need, self.used.custom_amount(name), self.total.custom_amount(name))
            })
    }

    /// How many times `need` fits into what is free, at most `at_most`.
    pub(super) fn fit_count(&self, need: &Resources, at_most: usize) -> usize {
        let times = |need: Quantity, used: Quantity, total: Quantity| {
            total.minus(used).unwrap_or_default().steps().checked_div(need.steps()).unwrap_or(u64::MAX)
        };
        let fixed = times(need.cpu, self.used.cpu, self.total.cpu)
            .min(times(need.gpu, self.used.gpu, self.total.gpu))
            .min(times(need.memory, self.used.memory, self.total.memory));
        let all = need.custom.iter().fold(fixed, |least, (name, need)| {
            least.min(times(*need, self.used.custom_amount(name), self.total.custom_amount(name)))
        });
        usize::try_from(all).unwrap_or(usize::MAX).min(at_most)
    }

    pub(super) fn take(&mut self, need: &Resources) {
        self.used.add(need);
    }

    pub(super) fn take_cpu(&mut self, cpu: Quantity) {
        self.used.cpu = self.used.cpu.plus(cpu);
    }

    pub(super) fn give_cpu(&mut self, cpu: Quantity) {
        self.used.cpu = self.used.cpu.minus(cpu).unwrap_or_default();
    }

    pub(super) fn give(&mut self, need: &Resources) {
        self.give_cpu(need.cpu);
        self.give_besides_cpu(need);
    }

    pub(super) fn give_besides_cpu(&mut self, need: &Resources) {
        let minus = |used: &mut Quantity, need: Quantity| *used = used.minus(need).unwrap_or_default();
        minus(&mut self.used.gpu, need.gpu);
        minus(&mut self.used.memory, need.memory);
        for (name, need) in &need.custom {
            if let Some(used) = self.used.custom.get_mut(name) {
                minus(used, *need);
            }
        }
    }
}

//! What is always so. Cheap enough for tests and simulations after every event; production has no need of it.

use super::Supervision;
use super::actor::Phase;
use super::nodes::Standing;

impl Supervision {
    /// Checks the machine's state.
    ///
    /// # Errors
    /// What is not as it must be, for people.
    pub fn check(&self) -> Result<(), String> {
        self.check_grants()?;
        self.check_names()?;
        self.check_observers()?;
        self.check_children()
    }

    /// What is granted is counted at its node, and only there.
    fn check_grants(&self) -> Result<(), String> {
        if !self.placer.is_in_order() {
            return Err("the order of the nodes is not that of their loads".to_owned());
        }
        for (id, actor) in &self.actors {
            if actor.phase == Phase::Isolated {
                if !self.is_kept(*id, actor) {
                    return Err(format!("{id} is isolated on a node that does not count it"));
                }
                continue;
            }
            let Some(node) = actor.node.as_ref().filter(|_| actor.is_granted()) else { continue };
            let Some(known) = self.nodes.get(node) else {
                return Err(format!("{id} is granted on {node}, which is not there"));
            };
            if known.standing == Standing::Lost {
                return Err(format!("{id} is granted on {node}, which is lost and not fenced"));
            }
            if !known.actors.contains(id) {
                return Err(format!("{id} is granted on {node}, which does not count it"));
            }
            if actor.last.as_ref().is_some_and(|(epoch, _)| *epoch >= actor.epoch) {
                return Err(format!("epoch {} of {id} is granted after its exit", actor.epoch));
            }
        }
        for (node, known) in &self.nodes {
            for id in &known.actors {
                let there = self
                    .actors
                    .get(id)
                    .is_some_and(|actor| actor.is_granted() && actor.node.as_ref() == Some(node));
                if !there {
                    return Err(format!("{node} counts {id}, which is not granted there"));
                }
            }
        }
        Ok(())
    }

    /// Each name has the owner that bears it.
    fn check_names(&self) -> Result<(), String> {
        let mut named = 0;
        for (id, actor) in &self.actors {
            let options = actor.options();
            if options.name.is_empty() {
                continue;
            }
            named += 1;
            if self.owner_of(&options.namespace, &options.name) != Some(*id) {
                return Err(format!("{id} bears the name '{}' of another", options.name));
            }
        }
        named += self.supervisors.values().filter(|supervisor| !supervisor.name.is_empty()).count();
        if self.names.len() < named {
            return Err(format!("{named} bear names, and only {} names have owners", self.names.len()));
        }
        Ok(())
    }

    /// Supervisors and their children know each other; nothing runs below what does not run.
    fn check_children(&self) -> Result<(), String> {
        for (id, supervisor) in &self.supervisors {
            for (ordinal, child) in &supervisor.children {
                let place = match child.is_supervisor {
                    true => self.supervisors.get(&child.actor).map(|below| below.parent),
                    false => self.actors.get(&child.actor).map(|actor| actor.child),
                };
                if place != Some(Some((*id, *ordinal))) {
                    return Err(format!("{id} has a child '{}' that does not know it", child.id));
                }
                if !supervisor.running && self.is_alive(child.actor, child.is_supervisor) {
                    return Err(format!("child '{}' of {id} runs, which does not run", child.id));
                }
                let pending =
                    self.actors.get(&child.actor).is_some_and(|actor| actor.phase == Phase::Pending);
                if pending && !supervisor.running {
                    return Err(format!("child '{}' of {id} waits for a node in vain", child.id));
                }
            }
        }
        Ok(())
    }
}

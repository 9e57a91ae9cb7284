//! Which function a name means here: the executable's, then what the node embeds.

use super::Executor;
use super::job::{Runner, Target};
use mobula_types::{Failure, FailureKind, FunctionInfo, TaskTemplate};

/// What a table of functions has under a template's name.
enum Found<'a> {
    Match,
    Other(&'a FunctionInfo),
    Nothing,
}

fn look_up<'a>(functions: &'a [FunctionInfo], template: &TaskTemplate) -> Found<'a> {
    let wanted = &template.function;
    let named = || functions.iter().filter(|known| known.id.name == wanted.name);
    let matches = |known: &&FunctionInfo| {
        (wanted.version.is_empty() || known.id.version == wanted.version)
            && template.signature.is_none_or(|signature| signature == known.signature)
    };
    match (named().find(matches), named().next()) {
        (Some(_), _) => Found::Match,
        (None, Some(other)) => Found::Other(other),
        (None, None) => Found::Nothing,
    }
}

impl Executor {
    /// Where tasks of this template go, as far as it is known now.
    pub(super) fn target_of(&mut self, job: usize, template: &TaskTemplate) -> Target {
        let resources = &template.options.resources;
        let isolated = template.options.isolated;
        let entry = self.jobs.at_mut(job);
        if entry.has_executable {
            let Some(functions) = entry.functions.clone() else {
                return Target::Undecided { lane: entry.lane_for(Runner::Undecided, isolated, resources) };
            };
            match look_up(&functions, template) {
                Found::Match => return self.lane_target(job, template, Runner::Executable, isolated),
                Found::Other(other) => {
                    return Target::Refused(mismatch(template, other, "the job's executable"));
                }
                Found::Nothing => {}
            }
        }
        let embedded = self.embedded_functions.clone();
        match look_up(&embedded, template) {
            // Threads of the node's own process cannot be a process of their own: the task runs beside others.
            Found::Match => self.lane_target(job, template, Runner::Embedded, false),
            Found::Other(other) => {
                Target::Refused(mismatch(template, other, &format!("node {}", self.options.node)))
            }
            Found::Nothing => Target::Refused(self.unknown(job, template)),
        }
    }

    fn lane_target(&mut self, job: usize, template: &TaskTemplate, runner: Runner, isolated: bool) -> Target {
        let job = self.jobs.at_mut(job);
        let lane = job.lane_for(runner, isolated, &template.options.resources);
        Target::Lane { lane, estimate: job.estimate_for(&template.function) }
    }

    fn unknown(&self, job: usize, template: &TaskTemplate) -> Failure {
        let place = if self.jobs.at(job).has_executable {
            "neither the job's executable nor this node has"
        } else {
            "the job has no executable, and this node does not embed"
        };
        let text = format!("{place} a function {}; is it linked in and marked #[remote]?", template.function);
        Failure::new(FailureKind::UnknownFunction, text).on_node(self.options.node.clone())
    }
}

fn mismatch(template: &TaskTemplate, other: &FunctionInfo, whose: &str) -> Failure {
    let signature = |signature: u64| format!("signature {signature:016x}");
    let text = format!(
        "the caller was built against {} ({}), {whose} has {} ({}): {}, defined at {}; build both from the same source",
        template.function,
        template.signature.map_or_else(|| "any signature".into(), signature),
        other.id,
        signature(other.signature),
        other.signature_text,
        other.place,
    );
    Failure::new(FailureKind::FunctionMismatch, text)
}

//! `mobula use`: stored clusters.

use crate::arguments::GlobalArguments;
use crate::failure::{CommandFailure, Exit, Outcome};
use crate::output::{Rows, print};
use crate::settings::{Context, Contexts};

/// The arguments of `mobula use`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "With --cluster the context is stored first; without a name the stored ones are listed.\n\
        Commands take --cluster, else MOBULA_CLUSTER, else the context in use, else http://127.0.0.1:7421."
)]
pub(crate) struct UseArguments {
    /// The context
    context: Option<String>,
    /// Forget the context instead
    #[arg(long, requires = "context")]
    remove: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &UseArguments, global: &GlobalArguments) -> Outcome {
    let mut contexts = Contexts::load()?;
    let Some(name) = &arguments.context else { return list(&contexts, global) };
    if arguments.remove {
        if contexts.contexts.remove(name).is_none() {
            return Err(unknown(name, &contexts));
        }
        if contexts.current.as_ref() == Some(name) {
            contexts.current = None;
        }
        return contexts.store();
    }
    // The variable alone does not store a context: that takes the flag, with the name.
    if let Some(cluster) = &global.cluster {
        let token_file = match &global.token_file {
            Some(file) => Some(std::path::absolute(file).map_err(|error| {
                CommandFailure::new(Exit::Failed, format!("cannot find {}", file.display())).because(&error)
            })?),
            None => None,
        };
        contexts.contexts.insert(name.clone(), Context { cluster: cluster.clone(), token_file });
    }
    let Some(context) = contexts.contexts.get(name).cloned() else { return Err(unknown(name, &contexts)) };
    contexts.current = Some(name.clone());
    contexts.store()?;
    print(global.output, &context, || format!("now using {name}: {}", context.cluster))
}

fn unknown(name: &str, contexts: &Contexts) -> CommandFailure {
    let failure = CommandFailure::new(Exit::NotFound, format!("there is no context '{name}'"));
    let known: Vec<&str> = contexts.contexts.keys().map(String::as_str).collect();
    match known.as_slice() {
        [] => failure.advise(format!("`mobula use {name} --cluster URL` stores it")),
        known => failure.advise(format!("stored are {}; --cluster URL stores another", known.join(", "))),
    }
}

fn list(contexts: &Contexts, global: &GlobalArguments) -> Outcome {
    print(global.output, contexts, || {
        let mut rows = Rows::new(&["", "name", "cluster", "token file"], "no contexts are stored");
        for (name, context) in &contexts.contexts {
            let mark = if contexts.current.as_ref() == Some(name) { "*" } else { "" };
            let token_file = context.token_file.as_ref().map(|file| file.display().to_string());
            rows.push([mark.into(), name.clone(), context.cluster.clone(), token_file.unwrap_or_default()]);
        }
        rows.to_string()
    })
}

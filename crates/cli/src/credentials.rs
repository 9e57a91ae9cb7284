//! The tokens of clusters that `up` runs, and the one that a command uses. The rule for their paths is the SDK's:
//! [`mobula_rpc::token_store`].

use crate::failure::{CommandFailure, Exit, Outcome};
use crate::settings::write_private;
use mobula_rpc::{ClusterToken, TokenError, token_store};
use std::path::{Path, PathBuf};

fn refused(exit: Exit, error: &TokenError) -> CommandFailure {
    CommandFailure::new(exit, "there is no usable token").because(error)
}

/// Makes the file of a cluster's token, unless it is there.
pub(crate) fn make_token(path: &Path) -> Outcome<ClusterToken> {
    ClusterToken::load_or_create(path).map_err(|error| refused(Exit::CannotServe, &error))
}

/// Reads a token that must be there.
pub(crate) fn load_token(path: &Path) -> Outcome<ClusterToken> {
    ClusterToken::load(path).map_err(|error| {
        refused(Exit::Denied, &error)
            .advise("name the file that the head was given with --token-file, or a copy of it")
    })
}

/// The token for a cluster at `urls`: of the file, if one is named, else what is kept for one of the URLs.
pub(crate) fn find_token(file: Option<&Path>, urls: &[String]) -> Outcome<Option<ClusterToken>> {
    match file {
        Some(file) => load_token(file).map(Some),
        None => token_store::find_token(urls.iter().map(String::as_str))
            .map_err(|error| refused(Exit::Denied, &error)),
    }
}

/// Keeps a copy of a cluster's token where clients on this machine look for it; its path.
pub(crate) fn store_for_url(url: &str, token_file: &Path) -> Outcome<PathBuf> {
    let path = token_store::token_path(url).ok_or_else(|| {
        CommandFailure::new(Exit::CannotServe, "there is no folder to keep the token in")
            .because_of("neither XDG_STATE_HOME nor HOME is set to an absolute path")
    })?;
    let token = ClusterToken::load(token_file).map_err(|error| refused(Exit::CannotServe, &error))?;
    write_private(&path, token.reveal().as_bytes())?;
    Ok(path)
}

/// Removes the copy for a URL, if it still is the token of that file: another cluster may listen there by now.
pub(crate) fn forget_url(url: &str, token_file: &Path) {
    if let Some(path) = token_store::token_path(url) {
        forget(&path, token_file);
    }
}

/// Removes the copy of a token, if it still is that of the file, or the file is gone.
pub(crate) fn forget(copy: &Path, token_file: &Path) {
    let is_other = match (ClusterToken::load(copy), ClusterToken::load(token_file)) {
        (Ok(copy), Ok(token)) => !token.matches(copy.reveal().as_bytes()),
        _ => false,
    };
    if !is_other {
        let _was_not_there = std::fs::remove_file(copy);
    }
}

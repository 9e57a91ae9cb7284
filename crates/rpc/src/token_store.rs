//! Where a user's tokens are kept, by the URL of the cluster.
//!
//! `mobula up` writes a cluster's token to `$XDG_STATE_HOME/mobula/tokens/HOST-PORT` (`~/.local/state` where the variable is
//! not set), readable by its user alone, and every client on the machine looks there for the URL that it connects to.
//! `MOBULA_TOKEN_FILE` comes before it.

use crate::{ClusterToken, TokenError};
use std::path::PathBuf;

/// The variable that names the file of the cluster's token.
pub const TOKEN_FILE_VARIABLE: &str = "MOBULA_TOKEN_FILE";

/// `$XDG_STATE_HOME/mobula`, else `~/.local/state/mobula`; `None` where neither variable holds an absolute path.
pub fn state_folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")))?;
    Some(base.join("mobula"))
}

/// The file in which the token of the cluster at `url` is kept, whether or not it is there.
pub fn token_path(url: &str) -> Option<PathBuf> {
    Some(state_folder()?.join("tokens").join(address_as_name(url)))
}

/// The token for a cluster at one of `urls`: from the file that `MOBULA_TOKEN_FILE` names, else the first that is kept for
/// one of the URLs, else none.
///
/// # Errors
/// Where the file that was named, or one that is there, does not hold a token that can be read.
pub fn find_token<'a>(urls: impl IntoIterator<Item = &'a str>) -> Result<Option<ClusterToken>, TokenError> {
    if let Some(named) = std::env::var_os(TOKEN_FILE_VARIABLE).filter(|path| !path.is_empty()) {
        return ClusterToken::load(&PathBuf::from(named)).map(Some);
    }
    for path in urls.into_iter().filter_map(token_path) {
        if path.exists() {
            return ClusterToken::load(&path).map(Some);
        }
    }
    Ok(None)
}

/// `http://127.0.0.1:7421/` as a file name: `127.0.0.1-7421`. `localhost` counts as `127.0.0.1`.
fn address_as_name(url: &str) -> String {
    let address = url.split_once("://").map_or(url, |(_, address)| address);
    let address = address.split('/').next().unwrap_or_default().to_ascii_lowercase();
    let address = match address.strip_prefix("localhost") {
        Some(port) => format!("127.0.0.1{port}"),
        None => address,
    };
    let name: String =
        address.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    // Nothing but dots would be a folder.
    if name.chars().all(|c| c == '.') { "-".into() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_file_name_and_never_a_path() {
        assert_eq!(address_as_name("http://127.0.0.1:7421/"), "127.0.0.1-7421");
        assert_eq!(address_as_name("LOCALHOST:7421"), "127.0.0.1-7421");
        assert_eq!(address_as_name("https://[::1]:7421"), "---1--7421");
        assert_eq!(address_as_name("http://../../etc"), "-");
        assert_eq!(address_as_name("http://a\\b"), "a-b");
    }
}

//! The secret that everybody of a cluster shares.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What proves that a caller belongs to the cluster: sent as `authorization: Bearer …` with every call. Never printed.
#[derive(Clone)]
pub struct ClusterToken(Arc<str>);

/// A token that cannot be read or written, or is none.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("cannot {action} the token file {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What was given is not a token.
    #[error("{from} holds no token: a token is 16 to 512 visible ASCII characters without spaces")]
    Invalid {
        /// Where it came from.
        from: String,
    },
}

const SHORTEST: usize = 16;
const LONGEST: usize = 512;

impl ClusterToken {
    /// A new one: 32 random bytes as hexadecimal digits.
    pub fn generate() -> Self {
        let bytes: [u8; 32] = rand::random();
        ClusterToken(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
    }

    /// The token that the text is, without the white space around it.
    ///
    /// # Errors
    /// [`TokenError::Invalid`].
    pub fn parse(text: &str, from: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible || !(SHORTEST..=LONGEST).contains(&text.len()) {
            return Err(TokenError::Invalid { from: from.to_owned() });
        }
        Ok(ClusterToken(text.into()))
    }

    /// Reads it from a file.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn load(path: &Path) -> Result<Self, TokenError> {
        let failed = |source| TokenError::File { action: "read", path: path.to_owned(), source };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(LONGEST as u64 * 2).read_to_string(&mut text).map_err(failed)?;
        ClusterToken::parse(&text, &path.display().to_string())
    }

    /// Writes it to a file that only its owner may read (mode 0600), in place of what is there.
    ///
    /// # Errors
    /// [`TokenError::File`].
    pub fn store(&self, path: &Path) -> Result<(), TokenError> {
        let failed = |source| TokenError::File { action: "write", path: path.to_owned(), source };
        let mut options = std::fs::OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(path).map_err(failed)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        file.write_all(self.0.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(failed)
    }

    /// Reads it from a file, or makes the file with a new one where there is none.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn load_or_create(path: &Path) -> Result<Self, TokenError> {
        match ClusterToken::load(path) {
            Err(TokenError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let token = ClusterToken::generate();
                token.store(path)?;
                Ok(token)
            }
            loaded => loaded,
        }
    }

    /// The token itself, for a header or a file.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether `presented` is this token, in a time that does not depend on where they differ.
    pub fn matches(&self, presented: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differences = own.iter().zip(presented).fold(0u8, |sum, (own, other)| sum | (own ^ other));
        differences == 0 && own.len() == presented.len()
    }
}

impl fmt::Debug for ClusterToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_compared_whole_and_never_printed() {
        let token = ClusterToken::generate();
        assert!(token.matches(token.reveal().as_bytes()));
        assert!(!token.matches(&token.reveal().as_bytes()[1..]));
        assert!(!token.matches(b""));
        assert!(!token.matches(ClusterToken::generate().reveal().as_bytes()));
        assert!(!format!("{token:?}").contains(token.reveal()));
        assert!(ClusterToken::parse("short", "it").is_err());
        assert!(ClusterToken::parse(&format!(" {}\n", token.reveal()), "it").is_ok());
    }
}

//! A job's folder on this node: where its processes run, with the files that it brought.

use crate::transfer::Transfer;
use mobula_objects::files;
use mobula_runtime::spawn_blocking;
use mobula_types::{ExecutableHash, Failure, FailureKind, JobId};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// A job's scratch. Clones are the same folder. It appears whole, with the job's files in it, before the job's first process
/// runs here.
#[derive(Clone, Debug)]
pub(crate) struct JobFolder {
    job: JobId,
    path: PathBuf,
    files: Option<ExecutableHash>,
    /// Held while the folder is made or removed.
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Absent,
    Ready,
    Removed,
}

impl JobFolder {
    /// The folder of that job under `scratch`; nothing is made yet.
    pub(crate) fn new(scratch: &Path, job: JobId, files: Option<ExecutableHash>) -> Self {
        let path = scratch.join(job.to_string());
        JobFolder { job, path, files, state: Arc::new(Mutex::new(State::Absent)) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder, once. Others that need it wait meanwhile.
    ///
    /// # Errors
    /// `JobEnded` once it was removed; `WorkerStartFailed` with the reason, after which it may be tried again.
    pub(crate) async fn prepare(&self, transfer: &Transfer) -> Result<(), Failure> {
        let mut state = self.state.clone().lock_owned().await;
        match *state {
            State::Ready => return Ok(()),
            State::Removed => return Err(self.ended()),
            State::Absent => {}
        }
        let packed = match self.files {
            Some(hash) => Some(transfer.executable(hash).await?),
            None => None,
        };
        let path = self.path.clone();
        // The lock goes with the work, which goes on where nobody waits for it any more.
        let making = spawn_blocking("make a job's folder", move || {
            let made = make(&path, packed.as_deref());
            if made.is_ok() {
                *state = State::Ready;
            }
            made
        });
        let made = making.await.unwrap_or_else(|| Err("it was cut short".into()));
        made.map_err(|problem| {
            let message = format!("the folder of job {} could not be made: {problem}", self.job);
            Failure::new(FailureKind::WorkerStartFailed, message)
        })
    }

    /// Removes the folder for good, with all that is in it.
    pub(crate) async fn remove(self) {
        let mut state = self.state.lock_owned().await;
        *state = State::Removed;
        let path = self.path;
        let removing = spawn_blocking("remove a job's folder", move || {
            for path in [&partial(&path), &path] {
                if let Err(error) = fs::remove_dir_all(path)
                    && error.kind() != io::ErrorKind::NotFound
                {
                    tracing::warn!(folder = %path.display(), %error, "could not remove a job's folder");
                }
            }
            drop(state);
        });
        let _shutting_down = removing.await;
    }

    fn ended(&self) -> Failure {
        Failure::new(FailureKind::JobEnded, format!("job {} has ended", self.job))
    }
}

/// Where the folder is filled before it appears.
fn partial(path: &Path) -> PathBuf {
    path.with_extension("partial")
}

fn make(path: &Path, packed: Option<&Path>) -> Result<(), String> {
    let Some(packed) = packed else {
        return fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()));
    };
    if path.exists() {
        // An earlier generation of this node has made it, whole.
        return Ok(());
    }
    let partial = partial(path);
    let filled = || -> io::Result<()> {
        if partial.exists() {
            fs::remove_dir_all(&partial)?;
        }
        fs::create_dir_all(partial.parent().unwrap_or(path))?;
        let packed = File::open(packed)?;
        files::unpack(&packed, &partial).map_err(io::Error::other)?;
        fs::rename(&partial, path)
    };
    filled().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(folder: &Path) -> PathBuf {
        let files = folder.join("files");
        fs::create_dir(&files).unwrap();
        fs::write(files.join("settings"), "depth = 3").unwrap();
        let packed = files::pack(&files).unwrap();
        let path = folder.join("packed");
        let mut from = packed.file.try_clone().unwrap();
        io::copy(&mut from, &mut File::create(&path).unwrap()).unwrap();
        path
    }

    #[test]
    fn it_appears_with_its_files_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let packed = packed(folder.path());
        let path = folder.path().join("jobs/1");
        fs::create_dir_all(partial(&path)).unwrap();
        fs::write(partial(&path).join("half"), "").unwrap();
        make(&path, Some(&packed)).unwrap();
        assert_eq!(fs::read_to_string(path.join("settings")).unwrap(), "depth = 3");
        assert!(!path.join("half").exists());
        // What the job wrote there is left alone when the node begins anew.
        fs::write(path.join("written"), "").unwrap();
        make(&path, Some(&packed)).unwrap();
        assert!(path.join("written").exists());

        let damaged = folder.path().join("damaged");
        fs::write(&damaged, b"mobula-files-1\n\x09").unwrap();
        let other = folder.path().join("jobs/2");
        let problem = make(&other, Some(&damaged)).unwrap_err();
        assert!(problem.contains("no packed folder"), "{problem}");
        assert!(!other.exists());
    }

    #[tokio::test]
    async fn once_removed_it_stays_away() {
        let folder = tempfile::tempdir().unwrap();
        let job = JobFolder::new(folder.path(), JobId(7), None);
        fs::create_dir_all(job.path().join("inner")).unwrap();
        job.clone().remove().await;
        assert!(!job.path().exists());
        assert_eq!(*job.state.lock().await, State::Removed);
    }
}

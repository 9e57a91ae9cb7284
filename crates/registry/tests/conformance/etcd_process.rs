//! An etcd of a test's own: free ports, a temporary folder, ended with the test.

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use mobula_registry::{EtcdOptions, EtcdRegistry};
use rustix::process::{Pid, Signal, kill_process};

use crate::fixture::PATIENCE;

/// A port may be taken by somebody else between its choice and etcd's start.
const START_ATTEMPTS: usize = 5;

/// An etcd of a test's own.
pub(crate) struct EtcdProcess {
    folder: tempfile::TempDir,
    ports: (u16, u16),
    flags: Vec<String>,
    child: KilledOnDrop,
}

struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl EtcdProcess {
    /// Starts etcd with further flags and waits until it serves.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let flags: Vec<_> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        for _ in 0..START_ATTEMPTS {
            let ports = free_ports();
            if let Some(child) = run(folder.path(), ports, &flags) {
                return EtcdProcess { folder, ports, flags, child };
            }
        }
        panic!("etcd did not start in {START_ATTEMPTS} attempts");
    }

    /// Starts three members and waits until each serves.
    pub(crate) fn start_three() -> [Self; 3] {
        for _ in 0..START_ATTEMPTS {
            let folders = [(); 3].map(|()| tempfile::tempdir().expect("a folder for temporary files"));
            let ports = three_times_free_ports();
            let peers: Vec<_> = (0..3).map(|at| format!("{at}=http://127.0.0.1:{}", ports[at].1)).collect();
            let names = ["0", "1", "2"];
            let starting = [0, 1, 2]
                .map(|at| Starting::spawn(folders[at].path(), ports[at], names[at], &peers.join(","), &[]));
            let mut members =
                folders.into_iter().zip(ports).zip(starting).filter_map(|((folder, ports), starting)| {
                    Some(EtcdProcess { folder, ports, flags: Vec::new(), child: starting.wait()? })
                });
            if let (Some(one), Some(two), Some(three)) = (members.next(), members.next(), members.next()) {
                return [one, two, three];
            }
        }
        panic!("three members of etcd did not start in {START_ATTEMPTS} attempts");
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.0)
    }

    pub(crate) async fn connect(&self) -> EtcdRegistry {
        let options = EtcdOptions::parse(&self.url()).expect("a valid endpoint");
        EtcdRegistry::connect(options).await.expect("etcd serves")
    }

    /// Kills etcd.
    pub(crate) fn kill(&mut self) {
        self.child.0.kill().expect("it runs");
        self.child.0.wait().expect("it ends");
    }

    /// Starts a killed etcd again, with the same data and ports, and waits until it serves.
    pub(crate) fn start_again(&mut self) {
        let started = run(self.folder.path(), self.ports, &self.flags);
        self.child = started.expect("etcd starts again");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let process = i32::try_from(self.child.0.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(process, signal).expect("it runs");
    }
}

fn free_ports() -> (u16, u16) {
    let [ports, ..] = three_times_free_ports();
    ports
}

fn three_times_free_ports() -> [(u16, u16); 3] {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = |listener: &TcpListener| listener.local_addr().expect("an address").port();
    // All are held until all are known, so that they differ.
    let listeners = [(); 3].map(|()| (listen(), listen()));
    [0, 1, 2].map(|at| (port(&listeners[at].0), port(&listeners[at].1)))
}

/// Starts etcd and waits until it serves; `None` if it ends instead.
fn run(folder: &Path, ports: (u16, u16), flags: &[String]) -> Option<KilledOnDrop> {
    let peers = format!("test=http://127.0.0.1:{}", ports.1);
    Starting::spawn(folder, ports, "test", &peers, flags).wait()
}

/// An etcd that may not serve yet.
struct Starting {
    child: KilledOnDrop,
    served: mpsc::Receiver<()>,
}

impl Starting {
    fn spawn(folder: &Path, ports: (u16, u16), name: &str, peers: &str, flags: &[String]) -> Self {
        let (client, peer) =
            (format!("http://127.0.0.1:{}", ports.0), format!("http://127.0.0.1:{}", ports.1));
        let spawned = Command::new("etcd")
            .arg("--data-dir")
            .arg(folder.join("data"))
            .args(["--name", name, "--heartbeat-interval", "20", "--election-timeout", "200"])
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", peers])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match spawned {
            Ok(child) => KilledOnDrop(child),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!("these tests need the program `etcd` (Debian: etcd-server); `make test` installs it")
            }
            Err(error) => panic!("etcd cannot be started: {error}"),
        };
        let log = BufReader::new(child.0.stderr.take().expect("it is piped"));
        let (serving, served) = mpsc::sync_channel(1);
        // Ends with etcd, whose log it keeps from filling the pipe.
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if line.contains("ready to serve client requests") {
                    let _first_time_only = serving.try_send(());
                }
            }
        });
        Starting { child, served }
    }

    /// Waits until it serves; `None` if it ends instead.
    fn wait(self) -> Option<KilledOnDrop> {
        match self.served.recv_timeout(PATIENCE) {
            Ok(()) => Some(self.child),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("etcd does not serve within {PATIENCE:?}"),
        }
    }
}

/// Options under which a silent etcd is noticed soon.
pub(crate) fn impatient(endpoints: &str) -> EtcdOptions {
    let options = EtcdOptions::parse(endpoints).expect("valid endpoints");
    EtcdOptions { call_timeout: Duration::from_secs(1), ..options }
}

/// A port on which nobody listens.
pub(crate) fn dead_endpoint() -> String {
    format!("http://127.0.0.1:{}", free_ports().0)
}

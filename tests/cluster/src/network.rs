//! Hosts of their own on one machine: network namespaces on a bridge, for what happens between machines.

use anyhow::{Context, Result, ensure};
use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Where packets to a host go that are to be lost: nobody has this address.
const NOWHERE: &str = "02:00:00:00:00:fe";

/// How many networks this process has made: its tests may run side by side.
static NETWORKS: AtomicU32 = AtomicU32::new(0);

/// A network of hosts, which reach each other and the machine itself; gone when it is dropped.
#[derive(Debug)]
pub struct Network {
    bridge: String,
    prefix: String,
    hosts: Vec<Host>,
}

/// A host of a [`Network`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host {
    pub(crate) namespace: String,
    /// Its IP address.
    pub address: String,
}

impl Network {
    /// A network of that many hosts, or `None` where this machine permits none: that is said on standard error.
    ///
    /// # Errors
    /// Where a network may be made, and cannot be.
    pub fn new(hosts: usize) -> Result<Option<Network>> {
        let (process, number) = (std::process::id(), NETWORKS.fetch_add(1, Ordering::Relaxed));
        // Of the range for benchmarks of networks (RFC 2544), which is nobody's.
        let subnet = (process * 8 + number) % 512;
        let network = Network {
            bridge: format!("mob{process}n{number}"),
            prefix: format!("198.{}.{}", 18 + subnet / 256, subnet % 256),
            hosts: Vec::new(),
        };
        if let Err(error) = network.is_permitted() {
            // Past the capture of a test's output: whoever reads it is to see that this was not run.
            let _unread =
                writeln!(std::io::stderr(), "SKIPPED: no network of hosts can be made here: {error:#}");
            return Ok(None);
        }
        network.with_hosts(hosts).map(Some)
    }

    fn is_permitted(&self) -> Result<()> {
        ip(&["link", "add", &self.bridge, "type", "bridge"])?;
        ip(&["netns", "add", &self.bridge])?;
        ip(&["netns", "delete", &self.bridge])
    }

    fn with_hosts(mut self, hosts: usize) -> Result<Network> {
        ip(&["address", "add", &format!("{}/24", self.machine()), "dev", &self.bridge])?;
        ip(&["link", "set", &self.bridge, "up"])?;
        for number in 0..hosts {
            self.add_host(number)?;
        }
        Ok(self)
    }

    fn add_host(&mut self, number: usize) -> Result<()> {
        let namespace = format!("{}-{number}", self.bridge);
        let address = format!("{}.{}", self.prefix, 2 + number);
        ip(&["netns", "add", &namespace])?;
        self.hosts.push(Host { namespace: namespace.clone(), address: address.clone() });
        let outer = format!("{}v{number}", self.bridge);
        ip(&["link", "add", &outer, "type", "veth", "peer", "name", "eth0", "netns", &namespace])?;
        ip(&["link", "set", &outer, "master", &self.bridge, "up"])?;
        let inside = |arguments: &[&str]| ip(&[&["-n", &namespace], arguments].concat());
        inside(&["address", "add", &format!("{address}/24"), "dev", "eth0"])?;
        inside(&["link", "set", "eth0", "up"])?;
        inside(&["link", "set", "lo", "up"])
    }

    /// The IP address under which hosts reach the machine itself.
    pub fn machine(&self) -> String {
        format!("{}.1", self.prefix)
    }

    /// A host.
    pub fn host(&self, number: usize) -> &Host {
        &self.hosts[number]
    }

    /// From now on packets from one host to another are lost on their way; those of connections that there are, too. What
    /// comes the other way still does.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn cut(&self, from: usize, to: usize) -> Result<()> {
        let (from, to) = (&self.hosts[from], &self.hosts[to]);
        let lost =
            ["neighbour", "replace", &to.address, "lladdr", NOWHERE, "dev", "eth0", "nud", "permanent"];
        ip(&[&["-n", from.namespace.as_str()], &lost[..]].concat())
    }

    /// Packets from one host to another arrive again.
    ///
    /// # Errors
    /// Where they were not lost.
    pub fn heal(&self, from: usize, to: usize) -> Result<()> {
        let (from, to) = (&self.hosts[from], &self.hosts[to]);
        ip(&["-n", &from.namespace, "neighbour", "delete", &to.address, "dev", "eth0"])
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for host in &self.hosts {
            let _gone_already = ip(&["netns", "delete", &host.namespace]);
        }
        let _gone_already = ip(&["link", "delete", &self.bridge]);
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(arguments).output().context("running ip")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {}: {}", arguments.join(" "), text.trim());
    Ok(())
}

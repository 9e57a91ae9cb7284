//! Asks a node's own address whether anybody listens there.

use mobula_types::ProbeAnswer;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long a probe waits; a host that is away answers nothing at all.
const PATIENCE: Duration = Duration::from_millis(400);

/// Tries to connect to `address` (`host:port`). Only a refusal proves that nobody listens.
pub async fn probe(address: &str) -> ProbeAnswer {
    match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => ProbeAnswer::Reachable,
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => ProbeAnswer::Refused,
        Ok(Err(_)) | Err(_) => ProbeAnswer::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_closed_port_refuses_and_an_open_one_is_reachable() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert_eq!(probe(&address).await, ProbeAnswer::Reachable);
        drop(listener);
        assert_eq!(probe(&address).await, ProbeAnswer::Refused);
        assert_eq!(probe("no.such.host.invalid:1").await, ProbeAnswer::Unknown);
    }
}

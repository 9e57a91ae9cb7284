//! How etcd is reached.

use std::time::Duration;

use crate::error::RegistryError;

/// How etcd is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EtcdOptions {
    /// `http://host:port` of each member.
    pub endpoints: Vec<String>,
    /// How long a call may take, over all endpoints (each has its share, but at least a second). Default: 5 s.
    pub call_timeout: Duration,
    /// How long making a connection may take. Default: 2 s.
    pub connect_timeout: Duration,
}

impl EtcdOptions {
    /// The defaults, for endpoints as they are given on a command line: `http://a:2379,http://b:2379`.
    ///
    /// # Errors
    /// [`RegistryError::InvalidRequest`] where one of them is not `http://host:port`, or there is none.
    pub fn parse(endpoints: &str) -> Result<Self, RegistryError> {
        let endpoints: Vec<_> = endpoints.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
        let options = EtcdOptions {
            endpoints: endpoints.into_iter().map(|part| part.trim_end_matches('/').to_owned()).collect(),
            call_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
        };
        options.validate()?;
        Ok(options)
    }

    pub(super) fn validate(&self) -> Result<(), RegistryError> {
        if self.endpoints.is_empty() {
            return Err(invalid("no etcd endpoint is given; give http://host:port, several with commas"));
        }
        for endpoint in &self.endpoints {
            let authority = endpoint.strip_prefix("http://").unwrap_or_default();
            let port = authority.rsplit_once(':').and_then(|(host, port)| (!host.is_empty()).then_some(port));
            if port.and_then(|port| port.parse::<u16>().ok()).is_none() {
                return Err(invalid(&format!("the etcd endpoint “{endpoint}” is not http://host:port")));
            }
        }
        Ok(())
    }
}

fn invalid(reason: &str) -> RegistryError {
    RegistryError::InvalidRequest { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_come_with_commas() {
        let parsed = EtcdOptions::parse("http://a:2379, http://b:2379/,").map(|options| options.endpoints);
        assert_eq!(parsed, Ok(vec!["http://a:2379".to_owned(), "http://b:2379".to_owned()]));
    }

    #[test]
    fn what_is_no_endpoint_is_named() {
        for wrong in
            ["", "a:2379", "http://a", "http://:1", "https://a:2379", "http://a:port", "http://a:2379/x"]
        {
            let error = EtcdOptions::parse(wrong).expect_err(wrong);
            assert!(error.to_string().contains(wrong), "{error}");
        }
    }
}

//! Who calls: every RPC, over loopback too, names a bearer token, and a layer in front of all services checks it.
//!
//! Two kinds of bearer are known: the cluster's token, which permits everything, and a job's secret (`job-` and 64
//! hexadecimal digits), which permits what belongs to that job: its sessions, its objects, its tasks, its end.

use crate::status::to_status;
use crate::text::{hexadecimal, read_32_bytes};
use crate::token::ClusterToken;
use http::header::AUTHORIZATION;
use mobula_types::session::JobSecret;
use mobula_types::{Failure, FailureKind, JobId};
use std::fmt;
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::body::Body;
use tower::{Layer, Service};

/// What a bearer token says of a caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Caller {
    /// It holds the cluster's token.
    Cluster,
    /// It holds the secret of that job.
    Job(JobId),
}

impl Caller {
    /// Whoever made a request that the layer let through.
    pub(crate) fn of<T>(request: &tonic::Request<T>) -> Result<Self, Failure> {
        Caller::in_extensions(request.extensions())
    }

    /// The same of a request whose body is read by hand.
    pub(crate) fn in_extensions(extensions: &http::Extensions) -> Result<Self, Failure> {
        extensions.get::<Caller>().copied().ok_or_else(unauthenticated)
    }

    /// Only holders of the cluster's token may do `what`.
    ///
    /// # Errors
    /// `PermissionDenied` for all others.
    pub fn require_cluster(self, what: &str) -> Result<(), Failure> {
        match self {
            Caller::Cluster => Ok(()),
            Caller::Job(_) => {
                let message = format!("a job's secret does not permit to {what}: use the cluster's token");
                Err(Failure::new(FailureKind::PermissionDenied, message))
            }
        }
    }

    /// The caller may touch what belongs to that job.
    ///
    /// # Errors
    /// `PermissionDenied` for holders of another job's secret.
    pub fn require_job(self, job: JobId) -> Result<(), Failure> {
        match self {
            Caller::Job(own) if own != job => {
                let message =
                    format!("the bearer token is the secret of job {own} and permits nothing of job {job}");
                Err(Failure::new(FailureKind::PermissionDenied, message))
            }
            _ => Ok(()),
        }
    }
}

/// Knows jobs by their secrets.
pub trait Authenticator: Send + Sync + 'static {
    /// The living job whose secret this is.
    fn job_of(&self, secret: &JobSecret) -> Option<JobId>;
}

/// Knows no job: for servers that take the cluster's token alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoJobs;

impl Authenticator for NoJobs {
    fn job_of(&self, _secret: &JobSecret) -> Option<JobId> {
        None
    }
}

/// What a client shows to servers. Never printed.
#[derive(Clone)]
pub struct Bearer(Option<http::HeaderValue>);

impl Bearer {
    /// Shows nothing: for clusters without authentication.
    pub const NONE: Bearer = Bearer(None);

    /// Shows the cluster's token.
    pub fn cluster(token: &ClusterToken) -> Self {
        Bearer::header(token.reveal())
    }

    /// Shows a job's secret.
    pub fn job(secret: &JobSecret) -> Self {
        Bearer::header(&format!("{JOB_PREFIX}{}", hexadecimal(&secret.0)))
    }

    fn header(text: &str) -> Self {
        let mut value = http::HeaderValue::try_from(format!("Bearer {text}")).ok();
        if let Some(value) = &mut value {
            value.set_sensitive(true);
        }
        Bearer(value)
    }

    pub(crate) fn value(&self) -> Option<&http::HeaderValue> {
        self.0.as_ref()
    }
}

impl From<&ClusterToken> for Bearer {
    fn from(token: &ClusterToken) -> Self {
        Bearer::cluster(token)
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Bearer(…)" } else { "Bearer(none)" })
    }
}

const JOB_PREFIX: &str = "job-";

/// Whether two secrets are alike, in a time that depends on the second one's length alone.
pub(crate) fn constant_time_eq(secret: &[u8], given: &[u8]) -> bool {
    let mut difference = u8::from(secret.len() != given.len());
    for (index, byte) in given.iter().enumerate() {
        difference |= byte ^ secret.get(index).copied().unwrap_or(0);
    }
    black_box(difference) == 0
}

fn unauthenticated() -> Failure {
    let message = "no valid bearer token: send the cluster's token as `authorization: Bearer …` \
                   (--token-file or MOBULA_TOKEN_FILE names its file)";
    Failure::new(FailureKind::Unauthenticated, message)
}

/// Puts the check in front of a service.
#[derive(Clone)]
pub struct AuthLayer {
    token: Option<ClusterToken>,
    authenticator: Arc<dyn Authenticator>,
}

impl AuthLayer {
    /// Lets through who holds the token, or the secret of a job that `authenticator` knows. Without a token: everybody,
    /// as if they held it.
    pub fn new(token: Option<ClusterToken>, authenticator: Arc<dyn Authenticator>) -> Self {
        AuthLayer { token, authenticator }
    }

    fn check(&self, headers: &http::HeaderMap) -> Result<Caller, Failure> {
        let Some(token) = &self.token else { return Ok(Caller::Cluster) };
        let header = headers.get(AUTHORIZATION).ok_or_else(unauthenticated)?.as_bytes();
        let bearer = header.strip_prefix(b"Bearer ").ok_or_else(unauthenticated)?;
        if token.matches(bearer) {
            return Ok(Caller::Cluster);
        }
        let secret = bearer.strip_prefix(JOB_PREFIX.as_bytes()).and_then(read_32_bytes).map(JobSecret);
        let job = secret.and_then(|secret| self.authenticator.job_of(&secret));
        job.map(Caller::Job).ok_or_else(unauthenticated)
    }
}

impl fmt::Debug for AuthLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer").field("token", &self.token).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;
    fn layer(&self, inner: S) -> AuthService<S> {
        AuthService { layer: self.clone(), inner }
    }
}

/// A service behind the check.
#[derive(Clone, Debug)]
pub struct AuthService<S> {
    layer: AuthLayer,
    inner: S,
}

impl<S, B> Service<http::Request<B>> for AuthService<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        match self.layer.check(request.headers()) {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                Box::pin(self.inner.call(request))
            }
            Err(failure) => {
                let response = to_status(&failure).into_http();
                Box::pin(std::future::ready(Ok(response)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct OneJob(JobSecret);

    impl Authenticator for OneJob {
        fn job_of(&self, secret: &JobSecret) -> Option<JobId> {
            (self.0 == *secret).then_some(JobId(7))
        }
    }

    fn check(layer: &AuthLayer, bearer: &Bearer) -> Result<Caller, FailureKind> {
        let mut headers = http::HeaderMap::new();
        if let Some(value) = bearer.value() {
            headers.insert(AUTHORIZATION, value.clone());
        }
        layer.check(&headers).map_err(|failure| failure.kind())
    }

    #[test]
    fn tokens_and_job_secrets_are_told_apart_and_others_are_refused() {
        let token = ClusterToken::generate();
        let secret = JobSecret([3; 32]);
        let layer = AuthLayer::new(Some(token.clone()), Arc::new(OneJob(secret.clone())));
        let refused = Err(FailureKind::Unauthenticated);
        assert_eq!(check(&layer, &Bearer::cluster(&token)), Ok(Caller::Cluster));
        assert_eq!(check(&layer, &Bearer::job(&secret)), Ok(Caller::Job(JobId(7))));
        assert_eq!(check(&layer, &Bearer::job(&JobSecret([4; 32]))), refused);
        assert_eq!(check(&layer, &Bearer::cluster(&ClusterToken::generate())), refused);
        assert_eq!(check(&layer, &Bearer::NONE), refused);
        assert_eq!(format!("{:?}", Bearer::job(&secret)), "Bearer(…)");
    }

    #[test]
    fn equality_is_exact() {
        assert!(constant_time_eq(b"abc", b"abc"));
        assert!(!constant_time_eq(b"abc", b"abd"));
        assert!(!constant_time_eq(b"abc", b"ab"));
        assert!(!constant_time_eq(b"abc", b"abcd"));
        assert!(!constant_time_eq(b"abc", b"abc\0"));
    }
}

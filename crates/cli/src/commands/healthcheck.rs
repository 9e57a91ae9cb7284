//! `mobula healthcheck`: for the probes of containers.

use crate::arguments::GlobalArguments;
use crate::connection::Target;
use crate::credentials;
use crate::failure::{CommandFailure, Exit, Outcome};
use crate::output::print;
use crate::settings::HumanDuration;
use std::time::Duration;
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// The arguments of `mobula healthcheck`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "The exit code is 0 where the server serves.")]
pub(crate) struct HealthcheckArguments {
    /// The URL of a head or node; the cluster's where it is not given
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// The gRPC service to ask about; the whole server where it is not given
    #[arg(long, value_name = "NAME", default_value = "")]
    service: String,
    /// How long the answer may take
    #[arg(long, value_name = "TIME", default_value_t = HumanDuration(Duration::from_secs(3)))]
    timeout: HumanDuration,
}

/// Runs the command.
pub(crate) async fn run(arguments: &HealthcheckArguments, global: &GlobalArguments) -> Outcome {
    let target = Target::find(global)?;
    let url = arguments.url.clone().unwrap_or_else(|| target.first_url().to_owned());
    let what = format!("{url} does not serve");
    let limit = arguments.timeout.0;
    let failed = |error: &(dyn std::error::Error + 'static)| {
        CommandFailure::new(Exit::Unreachable, what.clone()).because(error)
    };
    let endpoint = Endpoint::from_shared(url.clone())
        .map_err(|error| CommandFailure::usage(format!("'{url}' is not a URL")).because(&error))?
        .connect_timeout(limit)
        .timeout(limit);
    let channel = endpoint.connect().await.map_err(|error| failed(&error))?;
    let mut request = tonic::Request::new(HealthCheckRequest { service: arguments.service.clone() });
    if let Some(token) = credentials::find_token(target.token_file(), std::slice::from_ref(&url))?
        && let Ok(value) = format!("Bearer {}", token.reveal()).parse()
    {
        request.metadata_mut().insert("authorization", value);
    }
    let answer = HealthClient::new(channel).check(request).await.map_err(|status| {
        let exit = match status.code() {
            Code::NotFound => Exit::NotFound,
            Code::Unauthenticated | Code::PermissionDenied => Exit::Denied,
            Code::DeadlineExceeded | Code::Cancelled => Exit::TimedOut,
            _ => Exit::Unreachable,
        };
        CommandFailure::new(exit, what.clone()).because_of(status.message())
    })?;
    let status = answer.into_inner().status();
    print(global.output, &serde_json::json!({ "url": url, "status": status.as_str_name() }), || {
        format!("{url} {}", status.as_str_name().to_lowercase())
    })?;
    if status == ServingStatus::Serving { Ok(()) } else { Err(CommandFailure::new(Exit::Failed, what)) }
}

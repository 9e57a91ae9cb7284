//! Keeps etcd small: its members are defragmented one at a time, the leading one last, and not while it leads.
//!
//! A member answers nobody while it is defragmented. So another one has to be able to serve meanwhile, and a member that
//! does not answer puts the work off, unless etcd is full and takes no writes anyway.

use std::time::Duration;

use etcd_client::{AlarmAction, AlarmOptions, AlarmType, Client, StatusResponse};

use super::endpoints::{Endpoint, Endpoints, Repeat};
use crate::error::RegistryError;

/// How long compacting, and defragmenting one member, may take.
pub(super) const MAINTENANCE_TIMEOUT: Duration = Duration::from_secs(60);

const ACTION: &str = "defragment";

/// A member that answers.
struct Member<'e> {
    endpoint: &'e Endpoint,
    id: u64,
    leads: bool,
}

/// Defragments every member.
pub(super) async fn defragment(endpoints: &Endpoints) -> Result<(), RegistryError> {
    let (mut members, silent) = members(endpoints).await;
    if let Some(silent) = silent
        && (members.is_empty() || !is_full(endpoints).await?)
    {
        return Err(silent);
    }
    members.sort_by_key(|member| member.leads);
    for (position, member) in members.iter().enumerate() {
        let others = || members.iter().filter(|other| other.id != member.id);
        // What has been defragmented already takes over.
        let successor = members[..position].last().or_else(|| others().next());
        if let Some(successor) = successor {
            hand_over(member, successor).await?;
            endpoints.leave(member.endpoint);
        }
        within(member.endpoint, MAINTENANCE_TIMEOUT, async |mut client| client.defragment().await).await?;
        // It answers again before the next one falls silent.
        status(endpoints, member.endpoint).await?;
    }
    Ok(())
}

/// The members behind the endpoints, each once, and why one of them does not answer.
async fn members(endpoints: &Endpoints) -> (Vec<Member<'_>>, Option<RegistryError>) {
    let mut members: Vec<Member<'_>> = Vec::new();
    let mut silent = None;
    for endpoint in endpoints.all() {
        match status(endpoints, endpoint).await {
            Ok(status) => {
                let id = status.header().map_or(0, etcd_client::ResponseHeader::member_id);
                if members.iter().all(|member| member.id != id) {
                    members.push(Member { endpoint, id, leads: status.leader() == id });
                }
            }
            Err(error) => silent = Some(error),
        }
    }
    (members, silent)
}

async fn status(endpoints: &Endpoints, endpoint: &Endpoint) -> Result<StatusResponse, RegistryError> {
    within(endpoint, endpoints.attempt_timeout(), async |mut client| client.status().await).await
}

/// Makes another member lead, where this one does. It may have changed since the members were looked at.
async fn hand_over(member: &Member<'_>, successor: &Member<'_>) -> Result<(), RegistryError> {
    let id = member.id;
    within(member.endpoint, MAINTENANCE_TIMEOUT, async |mut client| {
        if client.status().await?.leader() == id {
            client.move_leader(successor.id).await?;
        }
        Ok(())
    })
    .await
}

async fn within<T>(
    endpoint: &Endpoint,
    patience: Duration,
    call: impl AsyncFnOnce(Client) -> Result<T, etcd_client::Error>,
) -> Result<T, RegistryError> {
    let failed = |reason: String| RegistryError::Unavailable {
        action: ACTION,
        target: endpoint.url().to_owned(),
        reason,
    };
    match tokio::time::timeout(patience, call(endpoint.client())).await {
        Ok(answer) => answer.map_err(|error| failed(error.to_string())),
        Err(_) => Err(failed(format!("no answer within {patience:?}"))),
    }
}

/// Whether a member has raised the alarm of its quota.
pub(super) async fn is_full(endpoints: &Endpoints) -> Result<bool, RegistryError> {
    let ask =
        |mut client: Client| async move { client.alarm(AlarmAction::Get, AlarmType::Nospace, None).await };
    let raised = endpoints.call("read the alarms", Repeat::Always, ask).await?;
    Ok(raised.alarms().iter().any(|alarm| alarm.alarm() == AlarmType::Nospace))
}

/// Lifts the alarm of the quota: the next write that does not fit raises it again.
pub(super) async fn lift_alarm(endpoints: &Endpoints) -> Result<(), RegistryError> {
    let lift = |mut client: Client| async move {
        let raised = client.alarm(AlarmAction::Get, AlarmType::Nospace, None).await?;
        // Each member raises its own.
        for alarm in raised.alarms().iter().filter(|alarm| alarm.alarm() == AlarmType::Nospace) {
            let mut of_member = AlarmOptions::new();
            of_member.with_member(alarm.member_id());
            client.alarm(AlarmAction::Deactivate, AlarmType::Nospace, Some(of_member)).await?;
        }
        Ok(())
    };
    endpoints.call("lift the quota alarm", Repeat::Always, lift).await
}

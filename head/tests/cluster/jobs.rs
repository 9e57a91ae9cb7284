use super::*;
use mobula_types::job::JobState;
use mobula_types::session::JobSecret;
use mobula_types::{FailureKind, JobId, JobSpec, SessionId};

fn spec() -> JobSpec {
    JobSpec { name: "test".into(), ..JobSpec::default() }
}

async fn ended(node: &mut TestNode, job: JobId) -> String {
    node.until("end of the job", |event| match event {
        HeadEvent::JobEnded { job: ended, failure } if ended == job => {
            assert_eq!(failure.kind(), FailureKind::JobEnded);
            Some(failure.message().to_owned())
        }
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_job_ends_when_its_driver_does_not_come_back() {
    let mut options = options(&memory());
    options.job_grace = Duration::from_millis(200);
    let head = head(options).await;
    let (mut home, mut other) =
        (TestNode::start("home", &[&head]).await, TestNode::start("other", &[&head]).await);
    home.granted().await;
    other.granted().await;
    let opened = home.link.open_job(spec()).await.unwrap();
    let heard = other.until("opening", |event| match event {
        HeadEvent::JobOpened(info) => Some(info),
        _ => None,
    });
    assert_eq!(heard.await.job, opened.job);
    home.link.driver_attached(opened.job, SessionId(1));
    home.link.driver_detached(opened.job, SessionId(1), false);
    assert!(ended(&mut other, opened.job).await.contains("did not come back"));
    let status = client(&[&head]).get_job(opened.job).await.unwrap();
    assert_eq!(status.info.state, JobState::Ended);
}

#[tokio::test]
async fn goodbye_ends_a_job_at_once() {
    let head = head(options(&memory())).await;
    let mut home = TestNode::start("home", &[&head]).await;
    home.granted().await;
    let opened = home.link.open_job(spec()).await.unwrap();
    home.link.driver_attached(opened.job, SessionId(1));
    home.link.driver_detached(opened.job, SessionId(1), true);
    assert!(ended(&mut home, opened.job).await.contains("left"));
}

#[tokio::test]
async fn only_the_secret_proves_that_a_job_is_ones_own() {
    let head = head(options(&memory())).await;
    let client = client(&[&head]);
    let opened = client.open_job(spec()).await.unwrap();
    let info = client.verify_job(opened.job, &opened.secret).await.unwrap();
    assert_eq!(info.spec, spec());
    let wrong = client.verify_job(opened.job, &JobSecret([0; 32])).await.unwrap_err();
    assert_eq!(wrong.kind(), FailureKind::PermissionDenied);
    let unknown = client.verify_job(JobId(1), &opened.secret).await.unwrap_err();
    assert_eq!(unknown.kind(), FailureKind::NotFound);
}

#[tokio::test]
async fn a_job_is_stopped_on_request_and_stays_stopped() {
    let head = head(options(&memory())).await;
    let client = client(&[&head]);
    let opened = client.open_job(spec()).await.unwrap();
    let info = client.end_job(opened.job, JobState::Stopped, "asked").await.unwrap();
    assert_eq!((info.state, &*info.reason), (JobState::Stopped, "asked"));
    let again = client.end_job(opened.job, JobState::Failed, "later").await.unwrap();
    assert_eq!(again, info);
    assert_eq!(client.list_jobs(10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_driver_of_an_ended_job_is_told_so() {
    let head = head(options(&memory())).await;
    let mut node = TestNode::start("node", &[&head]).await;
    node.granted().await;
    node.link.driver_attached(JobId(99), SessionId(1));
    assert!(ended(&mut node, JobId(99)).await.contains("does not know"));
}

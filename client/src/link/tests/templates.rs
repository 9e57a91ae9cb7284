//! Many different sets of options on one session.

use super::call;
use crate::link::LinkOptions;
use crate::link::testing::{FakeBulk, FakeNode, driver};
use mobula_rpc::session::ReceivedTemplates;
use mobula_types::{Frame, TaskId};

const NAMES: u64 = 10_000;

/// The next submit, and the name of its task as the node understands it.
async fn next_name(node: &mut FakeNode, known: &mut ReceivedTemplates) -> (TaskId, String) {
    loop {
        match node.next().await {
            Frame::Template { id, template } => known.insert(id, template).expect("a number of the ring"),
            Frame::Submit(submit) => {
                let template = known.get(submit.template).expect("a template that was named");
                return (submit.task, template.options.name.to_string());
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn ten_thousand_names_wait_for_credit_and_move_to_another_node() {
    let mut driver = driver(0, LinkOptions::default()).await;
    let references: Vec<_> = (0..NAMES)
        .map(|number| call(&driver.cluster, number).name(format!("call {number}")).submit())
        .collect();
    driver.node.sender.send(Frame::Credit { total: NAMES });
    let mut known = ReceivedTemplates::default();
    for number in 0..NAMES {
        assert_eq!(next_name(&mut driver.node, &mut known).await.1, format!("call {number}"));
    }
    let mut heir = driver.connector.add("heir", NAMES, FakeBulk::default());
    drop(driver.node);
    let mut known = ReceivedTemplates::default();
    for number in 0..NAMES {
        let (task, name) = next_name(&mut heir, &mut known).await;
        assert_eq!(name, format!("call {number}"));
        heir.complete(task, &number);
    }
    let values = crate::get_batch(&references).await.unwrap();
    assert!(values.into_iter().eq(0..NAMES));
}

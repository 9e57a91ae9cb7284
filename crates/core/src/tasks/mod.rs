//! The owner of tasks and objects: the machine of a home node that decides what runs where and when, and what is kept.
//!
//! [`TaskEngine`] is told what sessions, executors and other nodes do ([`Event`]), and says what is to be done
//! ([`Effect`]). It promises:
//!
//! - every submitted task ends exactly once, in whatever order completions, losses, returns and cancels arrive, and each
//!   submitter is told once;
//! - effects of an older attempt are refused;
//! - an object lives while a session, a borrower, an unfinished task or another value refers to it, and no longer;
//! - a stored value whose last copy is gone is made again from its lineage when it is wanted, or ends in a typed failure;
//! - jobs share by weight, and priority orders the tasks inside a job;
//! - what it holds is bounded, and what a driver may send is credited.
//!
//! | file | decides |
//! |---|---|
//! | `submit`, `attach`, `put` | what a submit or a put adds |
//! | `ready`, `shape` | which task is next: jobs by weight, then priority, then turns between shapes |
//! | `dispatch` | where it goes, and how many queue ahead |
//! | `balance` | what is asked back from a node that is behind while another is idle |
//! | `charges` | what counts against retries, and who keeps the count |
//! | `end` | what an attempt's end means: result, retry, failure |
//! | `cancel`, `family` | cancels, deadlines, children |
//! | `counting`, `borrowing` | who keeps an object, and when it is freed |
//! | `values` | who waits for a value, and who is told |
//! | `recovery`, `nodes` | what the loss of copies and nodes means |
//! | `takeover`, `seek` | what is adopted from the owner before |
//! | `handover` | what is given up to a later owner |
//! | `session` | how much a session may send, and what it holds |
//! | `route` | calls and creations of actors, which no executor runs |
//! | `waiting` | waits that could never be served |

mod attach;
mod balance;
mod borrowing;
mod cancel;
mod charges;
mod counting;
mod dispatch;
mod effect;
mod end;
mod engine;
mod event;
mod family;
mod handover;
mod invariants;
mod job;
mod jobs;
mod keys;
mod nodes;
mod object;
mod options;
mod put;
mod ready;
mod recent;
mod recovery;
mod route;
mod seek;
mod session;
mod shape;
mod snapshot;
mod state;
mod submit;
mod table;
mod takeover;
mod task;
mod timers;
mod unavailable;
mod values;
mod waiting;

pub use crate::assignment::Assignment;
pub use effect::Effect;
pub use engine::TaskEngine;
pub use event::{Event, Place, Requester, SessionKey, SessionKind};
pub use options::EngineOptions;
pub use recent::EndedTask;
pub use route::CallTarget;
pub use snapshot::{EngineSizes, ObjectSnapshot, SnapshotFilter, TaskSnapshot};

#[cfg(test)]
mod tests;

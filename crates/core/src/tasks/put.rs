//! What a put adds.

use crate::tasks::keys::{ObjectKey, TaskKey};
use crate::tasks::object::{Object, Value};
use crate::tasks::submit::job_ended;
use crate::tasks::{Effect, Requester, TaskEngine};
use mobula_types::{Failure, FailureKind, JobId, ObjectId, ObjectSpace, ResultValue, StoredValue};

impl TaskEngine {
    pub(super) fn put(
        &mut self,
        requester: Requester,
        job: JobId,
        object: ObjectId,
        value: ResultValue,
        effects: &mut Vec<Effect>,
    ) {
        if let Requester::Session(session) = requester {
            self.count_request(session, effects);
        }
        let failure = self.store(&requester, job, object, value, effects).err();
        effects.push(Effect::PutDone { requester, object, failure });
    }

    fn store(
        &mut self,
        requester: &Requester,
        job: JobId,
        object: ObjectId,
        value: ResultValue,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Failure> {
        if !self.may_touch(requester, job) || matches!(requester, Requester::Peer(_)) {
            let text = format!("the session may not put into job {job}");
            return Err(Failure::new(FailureKind::PermissionDenied, text).of_object(object));
        }
        let job = *self.job_index.get(&job).ok_or_else(|| job_ended(job).of_object(object))?;
        if object.index.space() != ObjectSpace::Put {
            let text = format!("object {object} is not one that can be put: its index is a result's");
            return Err(Failure::new(FailureKind::InvalidArgument, text).of_object(object));
        }
        if self.is_over(job, value.value.len(), self.options.store_bytes)
            && matches!(value.value, StoredValue::Inline(_))
        {
            return Err(self.store_full(job, "puts").of_object(object));
        }
        let key = match self.object_index.get(&object).copied() {
            Some(known) if self.objects[known.at()].job != job => {
                let text = "another job has put an object of this id";
                return Err(Failure::new(FailureKind::AlreadyExists, text).of_object(object));
            }
            Some(known) => {
                self.hold(known, requester);
                // A driver that offers its put again restores what was lost.
                if matches!(self.objects[known.at()].value, Value::Ready(_)) {
                    return Ok(());
                }
                self.objects[known.at()].value = Value::Pending;
                known
            }
            None => {
                let record = Object::new(object, job, TaskKey::NONE, Value::Pending);
                let key = ObjectKey::new(self.objects.insert(record));
                self.object_index.insert(object, key);
                self.hold(key, requester);
                key
            }
        };
        self.settle(key, Value::Ready(value), effects);
        Ok(())
    }
}

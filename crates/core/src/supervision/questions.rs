//! Questions that are asked again, because an answer was lost or takes its time: each is done once, and answered as often as
//! it is asked.
//!
//! What was heard is remembered under one leadership. A later head that is asked again does what finds itself, or what can be
//! done twice without harm; of anything else it says that it may have been done.

use super::{RequestKey, Supervision};
use mobula_types::actor::{ActorAnswer, ActorRequest, ActorTarget, EncodedSize, Question};
use mobula_types::{Failure, FailureKind, Time};
use smallvec::{SmallVec, smallvec};
use std::collections::{BTreeMap, BTreeSet};

/// Those who wait for the answer to one question.
pub(super) type Askers = SmallVec<[RequestKey; 1]>;

/// The questions that were heard.
#[derive(Clone, Default, Debug)]
pub(super) struct Questions {
    heard: BTreeMap<u128, Heard>,
    /// The questions of those who wait, or were the first to ask.
    asking: BTreeMap<RequestKey, u128>,
    /// Until when those are remembered that nobody waits for.
    until: BTreeSet<(Time, u128)>,
    /// What the answers take that are remembered.
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Heard {
    /// Who asked first: the question is done under that name.
    first: RequestKey,
    waiting: Askers,
    answer: Option<Result<ActorAnswer, Failure>>,
    /// Until when it is remembered; where somebody waits, for ever.
    until: Time,
}

/// What a question finds.
enum Found {
    Nothing,
    UnderWay,
    Answered(Result<ActorAnswer, Failure>),
}

fn size_of(answer: Option<&Result<ActorAnswer, Failure>>) -> usize {
    match answer {
        Some(Ok(ActorAnswer::Done { ended: Some((_, reason)) })) => reason.encoded_size(),
        Some(Err(failure)) => failure.encoded_size(),
        _ => 0,
    }
}

impl Questions {
    pub(super) fn next_deadline(&self) -> Time {
        self.until.first().map_or(Time::NEVER, |(until, _)| *until)
    }

    fn find(&mut self, request: RequestKey, number: u128) -> Found {
        let Some(heard) = self.heard.get_mut(&number) else { return Found::Nothing };
        if let Some(answer) = &heard.answer {
            return Found::Answered(answer.clone());
        }
        self.until.remove(&(heard.until, number));
        heard.until = Time::NEVER;
        heard.waiting.push(request);
        self.asking.insert(request, number);
        Found::UnderWay
    }

    fn insert(&mut self, request: RequestKey, number: u128) {
        let waiting = smallvec![request];
        self.heard.insert(number, Heard { first: request, waiting, answer: None, until: Time::NEVER });
        self.asking.insert(request, number);
    }

    /// Who is answered. An answer to a question is remembered until then.
    pub(super) fn answered(
        &mut self,
        request: RequestKey,
        answer: &Result<ActorAnswer, Failure>,
        until: Time,
    ) -> Askers {
        let number = self.asking.remove(&request);
        let Some((number, heard)) = number.and_then(|number| Some((number, self.heard.get_mut(&number)?)))
        else {
            return smallvec![request];
        };
        self.until.remove(&(heard.until, number));
        self.until.insert((until, number));
        (heard.until, heard.answer) = (until, Some(answer.clone()));
        self.bytes += size_of(heard.answer.as_ref());
        let waiting = std::mem::take(&mut heard.waiting);
        for asker in &waiting {
            self.asking.remove(asker);
        }
        waiting
    }

    /// Somebody waits no more. `false` where that was for no question.
    fn gone(&mut self, request: RequestKey, until: Time) -> bool {
        let Some(number) = self.asking.get(&request).copied() else { return false };
        let Some(heard) = self.heard.get_mut(&number) else { return false };
        heard.waiting.retain(|asker| *asker != request);
        if heard.waiting.is_empty() && heard.until == Time::NEVER {
            heard.until = until;
            self.until.insert((until, number));
        }
        if request != heard.first {
            self.asking.remove(&request);
        }
        true
    }

    /// The next one that is to be forgotten, for its age or because there are too many. Gives who asked it first, where it
    /// is not answered.
    fn pop(&mut self, now: Time, most: usize, most_bytes: usize) -> Option<Option<RequestKey>> {
        let (until, number) = *self.until.first()?;
        if until > now && self.until.len() <= most && self.bytes <= most_bytes {
            return None;
        }
        self.until.pop_first();
        let heard = self.heard.remove(&number)?;
        self.bytes -= size_of(heard.answer.as_ref());
        let unanswered = heard.answer.is_none().then_some(heard.first);
        if let Some(first) = unanswered {
            self.asking.remove(&first);
        }
        Some(unanswered)
    }
}

impl Supervision {
    /// Whether a request is to be done: else somebody has asked it before.
    pub(super) fn is_first(
        &mut self,
        request: RequestKey,
        question: Option<Question>,
        ask: &ActorRequest,
    ) -> bool {
        let Some(Question { number, again }) = question else { return true };
        match self.questions.find(request, number) {
            Found::Answered(answer) => self.answer(0, request, answer),
            Found::UnderWay => {}
            Found::Nothing if again && !self.may_be_done_again(ask) => {
                let text =
                    "the head that was asked first leads no more, and may have done it: look how it stands";
                self.answer(0, request, Err(Failure::new(FailureKind::Unavailable, text)));
            }
            Found::Nothing => {
                self.questions.insert(request, number);
                return true;
            }
        }
        false
    }

    /// Whether it does no harm where an earlier head has done it: it finds what it began, or that it is over.
    fn may_be_done_again(&self, ask: &ActorRequest) -> bool {
        match ask {
            // A child, or what has a name by now, may be a later incarnation than the one that was meant.
            ActorRequest::Stop { target: ActorTarget::Id(id), .. } => {
                self.actors.get(id).is_none_or(|actor| actor.child.is_none())
            }
            ActorRequest::StopSupervisor(ActorTarget::Id(id)) => {
                self.supervisors.get(id).is_none_or(|supervisor| supervisor.parent.is_none())
            }
            ActorRequest::StartSupervisor { .. } | ActorRequest::StartChild { .. } => true,
            ask => !ask.is_question(),
        }
    }

    /// Who asked waits no more. A question goes on for a while: it may be asked again.
    pub(super) fn asker_gone(&mut self, request: RequestKey) {
        let until = self.now + self.options.keep_questions;
        if !self.questions.gone(request, until) {
            self.request_gone(request);
        }
    }

    pub(super) fn forget_questions(&mut self) {
        let (most, bytes) = (self.options.most_questions, self.options.most_answer_bytes);
        while let Some(unanswered) = self.questions.pop(self.now, most, bytes) {
            if let Some(first) = unanswered {
                self.request_gone(first);
            }
        }
    }
}

//! What heads answer about actors and supervisors.

use super::exit::{exit_from_wire, exit_to_wire};
use crate::error::{ConvertError, Required};
use crate::wire;
use crate::wire::actor_answer::Answer;
use crate::wire::creation::End;
use mobula_types::Failure;
use mobula_types::actor::{ActorAnswer, ActorId, ActorInfo, Asked, Question, SupervisorInfo};

impl From<&ActorAnswer> for wire::ActorAnswer {
    fn from(answer: &ActorAnswer) -> Self {
        let answer = match answer {
            ActorAnswer::Created(creations) => {
                Answer::Created(wire::Creations { creations: creations.iter().map(creation).collect() })
            }
            ActorAnswer::Found(info) => Answer::Found(info.as_ref().into()),
            ActorAnswer::List { actors, more } => {
                Answer::List(wire::ActorList { actors: actors.iter().map(Into::into).collect(), more: *more })
            }
            ActorAnswer::Done { ended } => Answer::Done(wire::ActorDone {
                ended: ended.as_ref().map(|(incarnation, reason)| exit_to_wire(*incarnation, reason)),
            }),
            ActorAnswer::Started(info) => Answer::Started(info.as_ref().into()),
            ActorAnswer::Children(info) => Answer::Children(info.as_ref().into()),
            ActorAnswer::ChildSpec(child) => Answer::ChildSpec(child.as_ref().into()),
            ActorAnswer::Tree { supervisors, actors, more } => Answer::Tree(wire::TreeAnswer {
                supervisors: supervisors.iter().map(Into::into).collect(),
                actors: actors.iter().map(Into::into).collect(),
                more: *more,
            }),
            ActorAnswer::Groups { groups, more } => {
                let groups = groups.iter().map(Into::into).collect();
                Answer::Groups(wire::GroupList { groups, more: *more })
            }
        };
        wire::ActorAnswer { answer: Some(answer) }
    }
}

impl TryFrom<wire::ActorAnswer> for ActorAnswer {
    type Error = ConvertError;
    fn try_from(answer: wire::ActorAnswer) -> Result<Self, ConvertError> {
        Ok(match answer.answer.required("actor_answer.answer")? {
            Answer::Created(list) => {
                let creations = list.creations.into_iter().map(read_creation);
                ActorAnswer::Created(creations.collect::<Result<_, _>>()?)
            }
            Answer::Found(info) => ActorAnswer::Found(Box::new(info.try_into()?)),
            Answer::List(list) => ActorAnswer::List { actors: infos(list.actors)?, more: list.more },
            Answer::Done(done) => ActorAnswer::Done { ended: done.ended.map(exit_from_wire).transpose()? },
            Answer::Started(info) => ActorAnswer::Started(Box::new(info.try_into()?)),
            Answer::Children(info) => ActorAnswer::Children(Box::new(info.try_into()?)),
            Answer::ChildSpec(child) => ActorAnswer::ChildSpec(Box::new(child.try_into()?)),
            Answer::Tree(tree) => {
                let supervisors = tree.supervisors.into_iter().map(SupervisorInfo::try_from);
                ActorAnswer::Tree {
                    supervisors: supervisors.collect::<Result<_, _>>()?,
                    actors: infos(tree.actors)?,
                    more: tree.more,
                }
            }
            Answer::Groups(list) => ActorAnswer::Groups {
                groups: list.groups.into_iter().map(Into::into).collect(),
                more: list.more,
            },
        })
    }
}

fn creation(creation: &Result<ActorId, Failure>) -> wire::Creation {
    let end = match creation {
        Ok(actor) => End::Actor((*actor).into()),
        Err(failure) => End::Failure(failure.into()),
    };
    wire::Creation { end: Some(end) }
}

fn read_creation(creation: wire::Creation) -> Result<Result<ActorId, Failure>, ConvertError> {
    Ok(match creation.end.required("creation.end")? {
        End::Actor(actor) => Ok(actor.into()),
        End::Failure(failure) => Err(failure.try_into()?),
    })
}

fn infos(actors: Vec<wire::ActorInfo>) -> Result<Vec<ActorInfo>, ConvertError> {
    actors.into_iter().map(ActorInfo::try_from).collect()
}

impl From<Question> for wire::Question {
    fn from(question: Question) -> Self {
        let (high, low) = ((question.number >> 64) as u64, question.number as u64);
        wire::Question { high, low, again: question.again }
    }
}

impl From<wire::Question> for Question {
    fn from(question: wire::Question) -> Self {
        let number = (u128::from(question.high) << 64) | u128::from(question.low);
        Question { number, again: question.again }
    }
}

impl From<&Asked> for wire::AskedActors {
    fn from(asked: &Asked) -> Self {
        use wire::asked_actors::Asked as Wire;
        let asked = match asked {
            Asked::Answered(Ok(answer)) => Wire::Answer(answer.into()),
            Asked::Answered(Err(failure)) => Wire::Refused(failure.into()),
            Asked::UnderWay => Wire::UnderWay(wire::Empty {}),
        };
        wire::AskedActors { asked: Some(asked) }
    }
}

impl TryFrom<wire::AskedActors> for Asked {
    type Error = ConvertError;
    fn try_from(asked: wire::AskedActors) -> Result<Self, ConvertError> {
        use wire::asked_actors::Asked as Wire;
        Ok(match asked.asked.required("asked_actors.asked")? {
            Wire::Answer(answer) => Asked::Answered(Ok(answer.try_into()?)),
            Wire::Refused(failure) => Asked::Answered(Err(failure.try_into()?)),
            Wire::UnderWay(_) => Asked::UnderWay,
        })
    }
}

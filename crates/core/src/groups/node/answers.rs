//! Joining, leaving, subscribing, and asking for members.

use super::groups::report;
use super::held::Holder;
use super::{Effect, Groups, Recipient};
use crate::groups::pattern::{check_name, check_pattern};
use crate::tasks::SessionKey;
use mobula_types::actor::Roster;
use mobula_types::frame::{Answer, Enrolment};
use mobula_types::{Failure, FailureKind, Incarnation, Time};
use std::sync::Arc;

impl Groups {
    pub(super) fn enrol(
        &mut self,
        asker: Option<(SessionKey, u64)>,
        enrolment: Enrolment,
        effects: &mut Vec<Effect>,
    ) {
        let result = self.enrol_checked(enrolment, effects);
        if let Some(asker) = asker {
            answer(asker, result.map_or_else(Answer::Failed, |()| Answer::Done), effects);
        }
    }

    fn enrol_checked(&mut self, enrolment: Enrolment, effects: &mut Vec<Effect>) -> Result<(), Failure> {
        let Enrolment { namespace, group, member, joins } = enrolment;
        check_name("namespace", &namespace)?;
        check_name("group", &group)?;
        let roster = Roster::Group { namespace, name: group };
        let change = if joins {
            self.check_count(Holder::Actor(member))?;
            self.held.join(roster, member)
        } else {
            self.held.leave(roster, member)
        };
        report(change, effects);
        Ok(())
    }

    /// Whether somebody may be in one thing more.
    fn check_count(&self, holder: Holder) -> Result<(), Failure> {
        let most = self.options.most_of_one;
        if self.held.count(holder) < most {
            return Ok(());
        }
        let text = format!("it is in {most} groups and subscriptions, the most that there may be");
        Err(Failure::new(FailureKind::ResourceExhausted, text))
    }

    pub(super) fn subscribe(
        &mut self,
        asker: (SessionKey, u64),
        namespace: Arc<str>,
        pattern: Arc<str>,
        recipient: Recipient,
        effects: &mut Vec<Effect>,
    ) {
        let checked = check_name("namespace", &namespace)
            .and_then(|()| check_pattern(&pattern))
            .and_then(|()| self.check_count(recipient.holder()));
        if let Err(failure) = checked {
            return answer(asker, Answer::Failed(failure), effects);
        }
        let (subscription, change) = self.held.subscribe(namespace, pattern, recipient, asker.0);
        report(change, effects);
        answer(asker, Answer::Subscribed { subscription }, effects);
    }

    pub(super) fn unsubscribe(
        &mut self,
        asker: (SessionKey, u64),
        subscription: u64,
        effects: &mut Vec<Effect>,
    ) {
        if self.held.subscription(subscription).is_some_and(|known| known.asker == asker.0) {
            report(self.held.unsubscribe(subscription), effects);
        }
        answer(asker, Answer::Done, effects);
    }

    pub(super) fn members(&mut self, asker: (SessionKey, u64), group: Roster, effects: &mut Vec<Effect>) {
        let Some(place) = self.follow(&group, effects) else {
            let most = self.options.most_followed;
            let text = format!("this node looks after {most} groups already; ask again in a minute");
            let failure = Failure::new(FailureKind::ResourceExhausted, text);
            return answer(asker, Answer::Failed(failure), effects);
        };
        let followed = &mut self.followed[place];
        if followed.has_view {
            answer(asker, Answer::Members(self.all_members(&group)), effects);
        } else if followed.asks.len() >= self.options.most_asks {
            let text = "too many ask for the members of that group already";
            let failure = Failure::new(FailureKind::ResourceExhausted, text);
            answer(asker, Answer::Failed(failure), effects);
        } else {
            followed.asks.push(asker);
            self.be_patient(place);
        }
    }

    /// The members of a group that is followed, on this node and others.
    fn all_members(&self, group: &Roster) -> Vec<Incarnation> {
        let others = self.followed.get(group).into_iter().flat_map(|followed| followed.view.members());
        let mut members: Vec<Incarnation> = self.held.members(group).chain(others).collect();
        members.sort_unstable();
        members
    }

    /// What waited for a roster has it.
    pub(super) fn answer_waiting(&mut self, roster: &Roster, effects: &mut Vec<Effect>) {
        let Some(followed) = self.followed.get_mut(roster) else { return };
        if !followed.is_waited_for() {
            return;
        }
        followed.give_up = Time::NEVER;
        followed.bytes = 0;
        let asks = std::mem::take(&mut followed.asks);
        let publications = std::mem::take(&mut followed.publications);
        for publication in publications {
            self.distribute(roster, &publication, effects);
        }
        if !asks.is_empty() {
            let members = self.all_members(roster);
            for asker in asks {
                answer(asker, Answer::Members(members.clone()), effects);
            }
        }
    }

    /// No head has said what is in a roster: what waited does so no more.
    pub(super) fn give_up(&mut self, roster: &Roster, effects: &mut Vec<Effect>) {
        let Some(followed) = self.followed.get_mut(roster) else { return };
        followed.give_up = Time::NEVER;
        followed.bytes = 0;
        followed.publications.clear();
        for asker in std::mem::take(&mut followed.asks) {
            let text = "no head has told this node yet who is in that group";
            let failure = Failure::new(FailureKind::Unavailable, text);
            answer(asker, Answer::Failed(failure), effects);
        }
    }
}

fn answer((session, number): (SessionKey, u64), answer: Answer, effects: &mut Vec<Effect>) {
    effects.push(Effect::Answer { session, number, answer });
}

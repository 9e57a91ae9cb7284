//! The templates of one session, one way: what its sender has named, and what its receiver knows by which number.
//!
//! At most [`MAX_TEMPLATES`] are named at once; then numbers are given anew, in the order in which they were given first.
//! Frames arrive in order, so that both sides always mean the same template by a number.

use foldhash::HashMap;
use mobula_types::{Failure, FailureKind, Frame, MAX_TEMPLATES, TaskTemplate, TemplateId};
use std::sync::Arc;

/// Templates that the other side has named.
#[derive(Debug, Default)]
pub struct ReceivedTemplates {
    templates: Vec<Arc<TaskTemplate>>,
}

/// Templates that this side has named.
#[derive(Debug, Default)]
pub struct SentTemplates {
    /// By number; they are held, so that their addresses stay their own.
    templates: Vec<Arc<TaskTemplate>>,
    by_place: HashMap<usize, TemplateId>,
    by_content: HashMap<Arc<TaskTemplate>, TemplateId>,
    next: u32,
}

impl ReceivedTemplates {
    /// Keeps a template under its number.
    ///
    /// # Errors
    /// `Malformed` for a number that leaves a gap or is beyond the table.
    pub fn insert(&mut self, id: TemplateId, template: Arc<TaskTemplate>) -> Result<(), Failure> {
        let number = id.0 as usize;
        if number < self.templates.len() {
            self.templates[number] = template;
            Ok(())
        } else if number == self.templates.len() && id.0 < MAX_TEMPLATES {
            self.templates.push(template);
            Ok(())
        } else {
            Err(Failure::new(
                FailureKind::Malformed,
                format!("template number {number} leaves a gap or is too high"),
            ))
        }
    }

    /// The template of that number.
    ///
    /// # Errors
    /// `Malformed` where it was never named.
    pub fn get(&self, id: TemplateId) -> Result<Arc<TaskTemplate>, Failure> {
        self.templates.get(id.0 as usize).cloned().ok_or_else(|| {
            Failure::new(FailureKind::Malformed, format!("template {} was used before it was named", id.0))
        })
    }
}

impl SentTemplates {
    /// The number of a template; where the other side does not know it, the frame that names it is appended to `outgoing`.
    ///
    /// The frame that uses the number must follow before another template is numbered.
    #[inline]
    pub fn number(&mut self, template: &Arc<TaskTemplate>, outgoing: &mut Vec<Frame>) -> TemplateId {
        match self.by_place.get(&place_of(template)) {
            Some(id) => *id,
            None => self.number_elsewhere(template, outgoing),
        }
    }

    /// The number of a template of which another allocation may have been named.
    fn number_elsewhere(&mut self, template: &Arc<TaskTemplate>, outgoing: &mut Vec<Frame>) -> TemplateId {
        if let Some(id) = self.by_content.get(template) {
            return *id;
        }
        let id = TemplateId(self.next % MAX_TEMPLATES);
        self.next = id.0 + 1;
        match self.templates.get_mut(id.0 as usize) {
            Some(old) => {
                self.by_place.remove(&place_of(old));
                self.by_content.remove(old);
                *old = template.clone();
            }
            None => self.templates.push(template.clone()),
        }
        self.by_place.insert(place_of(template), id);
        self.by_content.insert(template.clone(), id);
        outgoing.push(Frame::Template { id, template: template.clone() });
        id
    }
}

fn place_of(template: &Arc<TaskTemplate>) -> usize {
    Arc::as_ptr(template) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::{FunctionId, TaskOptions};

    fn template(name: usize) -> Arc<TaskTemplate> {
        let options = TaskOptions { name: name.to_string().into(), ..TaskOptions::default() };
        Arc::new(TaskTemplate { function: FunctionId::new("f", ""), signature: None, options })
    }

    /// Names a template, and says whether the other side means the same by the number.
    fn is_understood(
        sent: &mut SentTemplates,
        received: &mut ReceivedTemplates,
        template: &Arc<TaskTemplate>,
    ) -> bool {
        let mut outgoing = Vec::new();
        let id = sent.number(template, &mut outgoing);
        for frame in outgoing {
            let Frame::Template { id, template } = frame else { panic!("not a template") };
            received.insert(id, template).unwrap();
        }
        received.get(id).unwrap() == *template
    }

    #[test]
    fn a_template_is_named_once_wherever_it_lies() {
        let (mut sent, mut outgoing) = (SentTemplates::default(), Vec::new());
        let first = template(0);
        assert_eq!(sent.number(&first, &mut outgoing), TemplateId(0));
        assert_eq!(sent.number(&first, &mut outgoing), TemplateId(0));
        assert_eq!(sent.number(&template(0), &mut outgoing), TemplateId(0));
        assert_eq!(outgoing.len(), 1);
    }

    #[test]
    fn ten_thousand_names_are_understood_again_and_again() {
        let (mut sent, mut received) = (SentTemplates::default(), ReceivedTemplates::default());
        for name in (0..10_000).chain((0..10_000).rev()) {
            assert!(is_understood(&mut sent, &mut received, &template(name)));
            assert!(is_understood(&mut sent, &mut received, &template(name / 2)));
        }
        let most = MAX_TEMPLATES as usize;
        assert_eq!((sent.templates.len(), received.templates.len()), (most, most));
        assert_eq!((sent.by_place.len(), sent.by_content.len()), (most, most));
    }

    #[test]
    fn a_number_beyond_the_ring_or_behind_a_gap_is_refused() {
        let mut received = ReceivedTemplates::default();
        assert!(received.insert(TemplateId(1), template(0)).is_err());
        for number in 0..MAX_TEMPLATES {
            received.insert(TemplateId(number), template(0)).unwrap();
        }
        assert!(received.insert(TemplateId(MAX_TEMPLATES), template(0)).is_err());
        assert!(received.get(TemplateId(MAX_TEMPLATES)).is_err());
    }
}

//! The templates of one session, both ways.

use indexmap::IndexMap;
use mobula_types::{Failure, FailureKind, Frame, MAX_TEMPLATES, TaskTemplate, TemplateId};
use std::sync::Arc;

/// Numbers that this side uses at once; a number is given anew when the table is full. Frames arrive in order, so both sides
/// always mean the same template by it.
const ROOM: usize = 4096;

/// Templates that the other side has named.
#[derive(Debug, Default)]
pub(crate) struct ReceivedTemplates {
    templates: Vec<Arc<TaskTemplate>>,
}

/// Templates that this side has named.
#[derive(Debug, Default)]
pub(crate) struct SentTemplates {
    numbers: IndexMap<usize, TemplateId, foldhash::fast::FixedState>,
    templates: Vec<Arc<TaskTemplate>>,
    next: usize,
}

impl ReceivedTemplates {
    /// Keeps a template under its number.
    ///
    /// # Errors
    /// `Malformed` for a number that leaves a gap or is beyond the table.
    pub(crate) fn insert(&mut self, id: TemplateId, template: Arc<TaskTemplate>) -> Result<(), Failure> {
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
                format!(
                    "template number {number} leaves a gap, or is not below the bound of {MAX_TEMPLATES}"
                ),
            ))
        }
    }

    /// The template of that number.
    ///
    /// # Errors
    /// `Malformed` where it was never named.
    pub(crate) fn get(&self, id: TemplateId) -> Result<Arc<TaskTemplate>, Failure> {
        self.templates.get(id.0 as usize).cloned().ok_or_else(|| {
            Failure::new(FailureKind::Malformed, format!("template {} was used before it was named", id.0))
        })
    }
}

impl SentTemplates {
    /// The number of a template; where it is new to the session, the frame that names it goes first.
    pub(crate) fn number(&mut self, template: &Arc<TaskTemplate>, outgoing: &mut Vec<Frame>) -> TemplateId {
        let key = Arc::as_ptr(template) as usize;
        if let Some(id) = self.numbers.get(&key) {
            return *id;
        }
        let number = self.next % ROOM;
        self.next += 1;
        if let Some(old) = self.templates.get_mut(number) {
            self.numbers.swap_remove(&(Arc::as_ptr(old) as usize));
            *old = template.clone();
        } else {
            self.templates.push(template.clone());
        }
        let id = TemplateId(number as u32);
        // The table holds the template, so that its address stays its own.
        self.numbers.insert(key, id);
        outgoing.push(Frame::Template { id, template: template.clone() });
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mobula_types::{FunctionId, TaskOptions};

    fn template(name: &str) -> Arc<TaskTemplate> {
        let function = FunctionId::new(name, "");
        Arc::new(TaskTemplate { function, signature: None, options: TaskOptions::default() })
    }

    #[test]
    fn a_template_is_named_once_and_a_number_is_used_again() {
        let (mut sent, mut received, mut outgoing) =
            (SentTemplates::default(), ReceivedTemplates::default(), Vec::new());
        let first = template("first");
        assert_eq!(sent.number(&first, &mut outgoing), TemplateId(0));
        assert_eq!(sent.number(&first, &mut outgoing), TemplateId(0));
        for index in 1..=ROOM {
            sent.number(&template(&index.to_string()), &mut outgoing);
        }
        assert_eq!(outgoing.len(), ROOM + 1);
        for frame in outgoing.drain(..) {
            let Frame::Template { id, template } = frame else { panic!("not a template") };
            received.insert(id, template).unwrap();
        }
        assert_eq!(&*received.get(TemplateId(0)).unwrap().function.name, "4096");
        assert_eq!(sent.number(&first, &mut outgoing), TemplateId(1));
        assert!(received.insert(TemplateId(ROOM as u32 + 1), first.clone()).is_err(), "a gap");
        for number in ROOM as u32..MAX_TEMPLATES {
            received.insert(TemplateId(number), first.clone()).unwrap();
        }
        assert!(received.insert(TemplateId(MAX_TEMPLATES), first).is_err(), "beyond the bound");
    }
}

//! Which templates the home node knows.

use foldhash::HashMap;
use mobula_types::{Failure, FailureKind, Frame, MAX_TEMPLATES, TaskTemplate, TemplateId};
use std::sync::Arc;

/// The templates of a session, each sent once, before its first use.
#[derive(Debug, Default)]
pub(super) struct Templates {
    all: Vec<Arc<TaskTemplate>>,
    by_content: HashMap<Arc<TaskTemplate>, TemplateId>,
    /// Where the templates in `all` lie: a function's own is always the same one.
    by_place: HashMap<usize, TemplateId>,
}

impl Templates {
    /// The template's number; a new one's frame is appended to `frames` first.
    ///
    /// # Errors
    /// `ResourceExhausted` where there are too many.
    pub(super) fn id(
        &mut self,
        template: &Arc<TaskTemplate>,
        frames: &mut Vec<Frame>,
    ) -> Result<TemplateId, Failure> {
        let place = Arc::as_ptr(template) as usize;
        if let Some(id) = self.by_place.get(&place).or_else(|| self.by_content.get(template)) {
            return Ok(*id);
        }
        if self.all.len() >= MAX_TEMPLATES as usize {
            let message = format!(
                "this program has used {MAX_TEMPLATES} different sets of options; names and other options that differ from \
                 call to call are not meant for so many calls"
            );
            return Err(Failure::new(FailureKind::ResourceExhausted, message));
        }
        let id = TemplateId(self.all.len() as u32);
        self.all.push(template.clone());
        self.by_content.insert(template.clone(), id);
        self.by_place.insert(place, id);
        frames.push(Frame::Template { id, template: template.clone() });
        Ok(id)
    }

    /// Everything again, for another node.
    pub(super) fn send_all(&self, frames: &mut Vec<Frame>) {
        frames.extend(self.all.iter().enumerate().map(|(number, template)| Frame::Template {
            id: TemplateId(number as u32),
            template: template.clone(),
        }));
    }
}

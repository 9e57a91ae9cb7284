struct Tally;

#[mobula::actor(groups(io = 4))]
impl Tally {
    #[method(cast)]
    pub fn new() -> Self {
        Tally
    }
    pub fn end(self) -> u64 {
        0
    }
    pub fn shared(self: std::sync::Arc<Self>) {}
    #[method(group = "disk")]
    pub fn save(&self) {}
    #[method(blocking)]
    pub async fn wait(&self) {}
    #[method(cancel_safe)]
    pub fn count(&mut self) {}
    #[method(retry_on = String::is_empty)]
    pub fn never_fails(&self) {}
    #[method(retry_on = String::is_empty)]
    pub fn never_tried_again(&self) -> Result<(), String> {
        Ok(())
    }
    #[method(max_task_retries = 0, retry_on = String::is_empty)]
    pub fn tried_again_where_asked(&self) -> Result<(), String> {
        Ok(())
    }
    #[method(cast, max_task_retries = 3)]
    pub fn tell(&self) {}
    #[method(blocking)]
    fn private(&self) {}
    pub fn change(&mut self, text: &mut String) {}
    pub unsafe fn danger(&self) {}
}

fn main() {}

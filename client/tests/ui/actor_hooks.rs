struct Tally;

#[mobula::actor]
impl Tally {
    pub fn new() -> Self {
        Tally
    }
    fn on_start(&mut self, count: u64) {}
    fn on_stop(&mut self, reason: mobula::ExitReason, more: u64) {}
    fn health_check(&self) -> bool {
        true
    }
    #[method(blocking)]
    fn on_down(&mut self) {}
}

fn main() {}

struct Tally(u64);

#[mobula::actor]
impl Tally {
    pub fn new(start: u64) -> Self {
        Tally(start)
    }
    pub fn add(&mut self, by: u64, _context: mobula::ActorContext) -> u64 {
        self.0 += by;
        self.0
    }
}

fn main() {
    let tally = TallyHandle::new("three").start();
    let _wrong = tally.add("four").submit();
    let _too_many = tally.add(1, 2).submit();
}

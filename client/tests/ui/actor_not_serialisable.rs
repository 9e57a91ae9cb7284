struct Plain(u64);

struct Tally(u64);

#[mobula::actor]
impl Tally {
    pub fn new() -> Self {
        Tally(0)
    }
    pub fn add(&mut self, plain: Plain) -> u64 {
        self.0 += plain.0;
        self.0
    }
}

fn main() {}

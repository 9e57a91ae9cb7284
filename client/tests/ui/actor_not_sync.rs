use std::cell::Cell;

struct Tally(Cell<u64>);

#[mobula::actor]
impl Tally {
    pub fn new() -> Self {
        Tally(Cell::new(0))
    }
    pub fn add(&self) -> u64 {
        self.0.replace(1)
    }
}

fn main() {}

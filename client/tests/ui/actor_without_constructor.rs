struct Tally;

#[mobula::actor]
impl Tally {
    fn new() -> Self {
        Tally
    }
    pub fn read(&self) -> u64 {
        0
    }
}

#[mobula::actor]
struct Other;

#[mobula::actor]
impl Clone for Tally {
    fn clone(&self) -> Self {
        Tally
    }
}

fn main() {}

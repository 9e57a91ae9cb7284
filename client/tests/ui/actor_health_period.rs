struct Tally;

#[mobula::actor(health_period = "5ms")]
impl Tally {
    pub fn new() -> Self {
        Tally
    }
    fn health_check(&self) {}
}

struct Other;

#[mobula::actor(health_period = "5s")]
impl Other {
    pub fn new() -> Self {
        Other
    }
}

fn main() {}

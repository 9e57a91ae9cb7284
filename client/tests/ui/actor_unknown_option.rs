struct Tally;

#[mobula::actor(max_concurency = 3, groups(io = 0), on_isolation = "run", mailbox = 0)]
impl Tally {
    pub fn new() -> Self {
        Tally
    }
    #[method(groups = "io", blocking = true)]
    pub fn add(&mut self) {}
    #[method]
    pub fn read(&self) {}
}

fn main() {}

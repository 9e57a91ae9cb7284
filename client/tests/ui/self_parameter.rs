struct Counter;

impl Counter {
    #[mobula::remote]
    fn count(&self) -> u64 {
        1
    }
}

fn main() {}

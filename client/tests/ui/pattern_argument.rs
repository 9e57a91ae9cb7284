#[mobula::remote]
fn add((a, b): (u64, u64)) -> u64 {
    a + b
}

#[mobula::remote]
fn ignore(_: u64) {}

fn main() {}

#[mobula::remote(num_cpus = 2, name = "work", num_cpus = 3)]
fn work() {}

fn main() {}

#[mobula::remote(num_cpu = 2, max_retries = "three", timeout = "soon")]
fn work() {}

#[mobula::remote(retry_on)]
fn more() {}

fn main() {}

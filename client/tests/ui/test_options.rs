#[mobula::test(worker)]
async fn unknown() {}

#[mobula::test(nodes = 0)]
async fn none() {}

fn main() {}

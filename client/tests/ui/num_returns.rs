#[mobula::remote(num_returns = 3)]
fn pair() -> (u64, u64) {
    (1, 2)
}

#[mobula::remote(num_returns = 2)]
fn one() -> Result<u64, String> {
    Ok(1)
}

#[mobula::remote(num_returns = 0)]
fn some() -> u64 {
    1
}

fn main() {}

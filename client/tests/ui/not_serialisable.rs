struct Plain(u64);

#[mobula::remote]
fn take(plain: Plain) -> u64 {
    plain.0
}

fn main() {}

#[mobula::remote]
fn print(value: impl std::fmt::Display) {
    println!("{value}");
}

#[mobula::remote]
fn numbers() -> impl Iterator<Item = u64> {
    0..7
}

fn main() {}

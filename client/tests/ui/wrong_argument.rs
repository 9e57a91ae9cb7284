#[mobula::remote]
fn square(x: u64) -> u64 {
    x * x
}

fn main() {
    let _call = square::remote("seven");
}

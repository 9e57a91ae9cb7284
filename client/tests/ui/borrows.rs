#[mobula::remote]
fn change(values: &mut Vec<u64>) {
    values.clear();
}

#[mobula::remote]
fn keep(text: &'static str) -> usize {
    text.len()
}

#[mobula::remote]
fn maybe(text: Option<&str>) -> bool {
    text.is_some()
}

#[mobula::remote(retry_on = always)]
fn infallible() -> u64 {
    1
}

fn main() {}

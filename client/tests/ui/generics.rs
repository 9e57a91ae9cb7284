#[mobula::remote]
fn largest<T: Ord>(values: Vec<T>) -> Option<T>
where
    T: Clone,
{
    values.into_iter().max()
}

fn main() {}

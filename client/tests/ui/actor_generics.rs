struct Store<T>(Vec<T>);

#[mobula::actor]
impl<T: Clone> Store<T> {
    pub fn new() -> Self {
        Store(Vec::new())
    }
}

struct Cache;

#[mobula::actor]
impl Cache {
    pub fn new() -> Self {
        Cache
    }
    pub fn put<V: serde::Serialize>(&mut self, value: V) {}
    pub fn take(&mut self, key: impl ToString) {}
    pub fn give(&self) -> impl Iterator<Item = u64> {
        0..3
    }
}

fn main() {}

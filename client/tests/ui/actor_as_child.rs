use mobula::prelude::*;

struct Store;

#[mobula::actor]
impl Store {
    pub fn new(shelves: u64) -> Self {
        let _ = shelves;
        Store
    }
}

async fn trees() -> mobula::Result<()> {
    // The actor itself is made by the cluster; the tree wants to know how.
    let tree = Supervisor::one_for_one("shop").child("front", Store::new(3)).start().await?;
    // Of which class the child is, its handle says.
    let front = tree.child("front").await?;
    Ok(())
}

fn main() {}

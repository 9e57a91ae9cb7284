//! The binary `mobula`.
fn main() {}

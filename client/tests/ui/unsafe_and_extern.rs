#[mobula::remote]
unsafe fn dangerous() {}

#[mobula::remote]
extern "C" fn foreign() {}

#[mobula::remote]
struct NotAFunction;

fn main() {}

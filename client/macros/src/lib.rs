//! The macros of the SDK crate `mobula`, which re-exports and documents them.
//!
//! A macro checks what it was given and says what is wrong where it is wrong, with all mistakes at once; the rest of its
//! output is calls into `mobula::__private`.

use proc_macro::TokenStream;

mod actor;
mod body;
mod entry;
mod literal;
mod metas;
mod mistakes;
mod options;
mod remote;
mod signature;
mod test_options;

/// Makes a function callable on the cluster. See `mobula::remote`.
#[proc_macro_attribute]
pub fn remote(options: TokenStream, item: TokenStream) -> TokenStream {
    remote::expand(options.into(), item.into()).into()
}

/// Makes the type of an `impl` block an actor. See `mobula::actor`.
#[proc_macro_attribute]
pub fn actor(options: TokenStream, item: TokenStream) -> TokenStream {
    actor::expand(options.into(), item.into()).into()
}

/// Makes an async `main` the program's entry, for drivers and workers. See `mobula::main`.
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(entry::Kind::Main, options.into(), item.into()).into()
}

/// Gives a test a cluster of its own. See `mobula::test`.
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(entry::Kind::Test, options.into(), item.into()).into()
}

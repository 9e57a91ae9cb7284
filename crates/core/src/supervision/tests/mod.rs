//! Tests of the supervision: what nodes are told, in what order, and when.

mod added;
mod heads;
mod isolated;
mod links;
mod lists;
mod looks;
mod model;
mod model_heads;
mod observing;
mod placing;
mod quarantine;
mod questions;
mod records;
mod rows;
mod rows_asked;
mod shapes;
mod single;
mod sizes;
mod specs;
mod stops;
mod test_node;
mod whereabouts;
mod windows;
mod world;

//! Tests of the supervision: what nodes are told, in what order, and when.

mod heads;
mod isolated;
mod looks;
mod model;
mod model_heads;
mod observing;
mod quarantine;
mod records;
mod rows;
mod rows_asked;
mod shapes;
mod single;
mod sizes;
mod specs;
mod test_node;
mod whereabouts;
mod world;

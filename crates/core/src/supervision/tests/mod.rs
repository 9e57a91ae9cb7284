//! Tests of the supervision: what nodes are told, in what order, and when.

mod heads;
mod model;
mod model_heads;
mod rows;
mod rows_asked;
mod single;
mod specs;
mod world;

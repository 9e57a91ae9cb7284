//! Tests of the supervision: what nodes are told, in what order, and when.

mod isolated;
mod model;
mod observing;
mod rows;
mod rows_asked;
mod single;
mod specs;
mod whereabouts;
mod world;

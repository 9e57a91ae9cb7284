//! Tests of the task engine: lists of effects, topic by topic, and properties of random histories.

mod world;

mod cancel;
mod counting;
mod credit;
mod deadlines;
mod dependencies;
mod fairness;
mod handover;
mod nested;
mod nodes;
mod places;
mod properties;
mod recent;
mod recovery;
mod retry;
mod steps;
mod submit;
mod takeover;

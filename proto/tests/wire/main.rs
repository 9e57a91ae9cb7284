//! The wire format: everything survives its journey, and what makes no sense is refused.

mod actors;
mod frames;
mod records;
mod strategies;

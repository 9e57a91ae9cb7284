//! Proofs of the router of calls, alone and with the machines that host actors.

mod lanes;
mod random;
mod world;

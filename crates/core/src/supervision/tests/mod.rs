//! Tests of the supervision: decisions as lists of effects.

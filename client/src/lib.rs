//! See the architecture document.

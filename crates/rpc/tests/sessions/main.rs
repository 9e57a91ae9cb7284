//! Sessions and calls over real loopback sockets.

mod calls;
mod ends;
mod exactly_once;
mod handover;
mod handshake;
mod node;
mod pairs;
mod pieces;
mod proxy;
mod windows;

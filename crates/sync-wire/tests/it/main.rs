//! The bytes of the protocol: the vectors of `docs/protocol.md`, hostile input, and newer peers.

mod hostile; // what is refused, and how
mod sample; // one frame of every kind
mod vectors; // docs/protocol.md says what the code does

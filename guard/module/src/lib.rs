//! The guard inside Envoy: verdicts that are pushed, credentials that are checked, streams that end.
//!
//! One table for the process, shared by all workers and all filter configurations; see `process`.
//! `roles` says what a filter of each name does, `filter` follows one HTTP stream, `ending` ends it in
//! the way of its protocol, `stream` talks to the control plane. Whatever goes wrong on a request's
//! way ends in a refusal.

mod abi;
mod asked;
mod connection;
mod credential;
mod ending;
mod events;
mod filter;
mod frames;
mod handle;
mod hygiene;
mod later;
mod live;
mod machine;
mod presented;
mod process;
mod provoked;
mod roles;
mod scope;
mod sent;
mod stage;
mod stream;
mod told;
mod trusting;
mod waf;

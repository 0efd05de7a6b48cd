//! The Envoy dynamic module.

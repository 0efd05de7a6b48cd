//! The engines of the guard for Python.

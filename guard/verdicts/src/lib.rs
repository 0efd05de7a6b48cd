//! The verdict table and the stream that feeds it, as values.

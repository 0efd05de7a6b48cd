//! A `SecLang` engine in linear time.

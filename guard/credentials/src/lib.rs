//! Who asks: cookies, tokens and their hygiene, as values.

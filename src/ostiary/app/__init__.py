"""The whole pipeline, in order; the only room that knows two shells."""

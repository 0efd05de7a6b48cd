"""The stream of verdicts to the guard in every proxy."""

"""What is held against whom: verdicts as values, and what they come to."""

"""What a document means: references resolved, levels merged, nothing optional any more."""

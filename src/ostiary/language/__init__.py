"""What a person writes: typed, frozen, closed. `read` makes a `Document` of positioned trees."""

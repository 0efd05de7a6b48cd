"""One file per feature; see `fragment` for the contract, `cors` for the shortest example."""

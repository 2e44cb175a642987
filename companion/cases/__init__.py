"""The applications of the book's cases, each a package: data, pipeline, measures and the decision that they serve."""

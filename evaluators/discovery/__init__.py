"""Discovery problems: a skeleton, one function to evolve, and a score that only we compute."""

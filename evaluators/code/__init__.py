"""Programs judged by unit tests: HumanEval's problems and samples, each side in its own sandbox."""

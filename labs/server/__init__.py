"""The parts of `reasonlab serve`: an OpenAI-compatible server of models, and of strategies."""

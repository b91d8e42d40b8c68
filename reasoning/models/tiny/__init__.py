"""The embedded models: shape and tokenizer. Weights lie in the folders beside this file."""

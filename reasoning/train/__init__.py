"""Train: pretraining of the embedded models."""

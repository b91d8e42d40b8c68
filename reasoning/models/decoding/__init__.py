"""How tokens of local models are drawn: one batched loop, the steppers behind it, the draws."""

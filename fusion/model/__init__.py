"""The fusion network: encoders, causal temporal transformer, heads, training and checkpoints."""

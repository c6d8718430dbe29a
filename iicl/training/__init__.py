"""Training loops, exact large batches and checkpoints."""

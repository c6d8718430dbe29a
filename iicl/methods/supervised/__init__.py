"""The upper control: encoders trained on the corpus's own labels."""

"""The lower control: encoders as they were initialised."""

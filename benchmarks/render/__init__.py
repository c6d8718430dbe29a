"""What does a reader see? Document -> Markdown, CSV, plots, HTML."""

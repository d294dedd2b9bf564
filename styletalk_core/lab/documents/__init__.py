"""Generated Markdown: measured sections and model cards."""

"""Streaming phoneme recognition: audio to probability columns over the paper's 41 symbols (section 3.1)."""

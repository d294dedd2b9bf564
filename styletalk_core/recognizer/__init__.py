"""Streaming phoneme recognition: sound in, a probability column over the paper's 41 symbols out (section 3.1)."""

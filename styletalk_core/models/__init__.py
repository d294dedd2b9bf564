"""The paper's networks, their weight files, and the decoder's compiled and captured forms."""

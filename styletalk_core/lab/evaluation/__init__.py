"""Self-driven evaluation of the paper, and fidelity of the renderer."""

"""The paper's self-driven protocol and the renderer's fidelity."""

"""Training of the recognizer: material, labels, noise, figures."""

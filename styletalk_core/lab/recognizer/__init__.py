"""Training of the recognizer: corpus, labels, augmentation and accuracy."""

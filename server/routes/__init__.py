"""What is asked for over HTTP: signalling, uploads, tokens, figures, and the document that describes it."""

"""HTTP: signalling, uploads, tokens, lists, metrics, and the document that describes them."""

"""Provenance of what the server makes: the AI label, and signed manifests of recordings."""

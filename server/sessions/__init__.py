"""Live sessions: calls and presentations, their clients and viewers, recordings and captions."""

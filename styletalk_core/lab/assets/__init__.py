"""Scripts that build the packaged presenters, the teeth texture and the contact sheets."""

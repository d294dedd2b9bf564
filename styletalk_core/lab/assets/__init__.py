"""Scripts that build the packaged presenters, the rows of teeth and the contact sheets."""

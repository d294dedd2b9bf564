"""A face at work: calls and presentations, who takes part in them, what is recorded and told of them."""

"""Who may do what and how much: keys and tokens, limits, refusals, a sandboxed process for what comes from outside."""

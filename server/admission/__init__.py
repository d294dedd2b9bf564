"""Who may do what and how much: keys and tokens, limits, refusals, a confined process for what comes from outside."""

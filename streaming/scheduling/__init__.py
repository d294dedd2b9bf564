"""One worker per device: slots, jobs with deadlines, overload."""

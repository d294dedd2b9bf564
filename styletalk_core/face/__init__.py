"""Face landmarks, tracking, head pose, the linear face model and its maps."""

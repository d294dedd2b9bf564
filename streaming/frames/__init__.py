"""Frames of a session: clock, pipeline, buffer, idle motion."""

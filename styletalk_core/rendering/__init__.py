"""The renderers: a photograph that speaks, resampled over a deforming face mesh."""

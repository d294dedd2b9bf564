"""Audio of a session: delay line, resampling, clock drift, phonemes."""

"""The paper: phones, face model, encoders, style-controllable decoder, renderer, training and evaluation."""

from styletalk_core.compiled_cache import choose_cache

choose_cache()

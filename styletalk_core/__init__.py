"""The paper: phones, face model, encoders, style-controllable decoder, renderer, training and evaluation."""

"""Conversation of a person with a face: turns, words, language model, voice; or one model that hears and speaks."""

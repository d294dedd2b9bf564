"""Conversation with one model that hears and speaks."""

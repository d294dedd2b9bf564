"""Mouth rendering: lips, teeth and surrounding skin."""

"""Styles, avatars and backgrounds: packaged ones and the user's own."""

"""Libraries of styles, avatars and backgrounds: packaged and user-added."""

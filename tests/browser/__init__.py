"""Tests that drive the page in a real Chromium against a real server process."""

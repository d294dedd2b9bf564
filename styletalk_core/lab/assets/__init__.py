"""Makers of the packaged presenters, teeth and contact sheets."""

"""Avatars that speak what a program pushes: live on a worker, or in virtual time."""

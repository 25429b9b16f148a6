"""Starts everything in order, watches it, stops it in reverse: see serve.py."""

"""empo_serve: an OpenAI-compatible inference server that improves on its own traffic."""

__version__ = "0.1.0"

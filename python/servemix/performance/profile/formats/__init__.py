"""Formats of measured files, one module each with its ``FORMAT``; a new one is one more module."""

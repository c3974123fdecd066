"""Handraiser: lead nurturing and transactional email, from YAML cadences to the wire and back."""

__version__ = "0.1.0"

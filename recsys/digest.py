"""BLAKE2b, from where it loads quickest: ``hashlib`` would bring OpenSSL along."""

try:
    from _blake2 import blake2b
except ImportError:  # a Python built without it
    from hashlib import blake2b

__all__ = ["blake2b"]

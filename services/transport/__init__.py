"""Sockets, requests, keys and their authentication."""

"""Certificates: SPIFFE names, what a request may say, and what may be issued to whom.

Pure: keys, serial numbers and the time arrive as arguments. Fed by `authority` (which holds the
keys) and `proxy` (which asks); knows no other room.
"""

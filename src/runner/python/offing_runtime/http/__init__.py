"""Serving a server object of the same process over streamable HTTP."""

"""Finding, loading and telling the kind of what an artifact's entrypoint gives."""

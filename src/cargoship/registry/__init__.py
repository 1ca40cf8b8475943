"""A client for container registries (distribution-spec). `connect` puts its parts together for a user's machine."""

"""The service: load, memory, network access, and native libraries in the sandbox."""

"""Files on disk: atomic writes, folder walks, and archives unpacked within limits."""

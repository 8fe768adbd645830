"""Files on disk: written whole or not at all, folders walked, archives unpacked within bounds."""

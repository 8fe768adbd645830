"""A process that decodes files within limits on memory and time."""

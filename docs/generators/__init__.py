"""Text of the documents that is made from the source of the package: one module for each kind of page."""

"""How well explanations agree with lesion outlines and with the model."""

"""Scores of explanations: agreement with lesion outlines, and faithfulness to the model."""

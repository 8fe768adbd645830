"""A trained model as it is used: bundle, runtime, predictor, decision, and where it comes from. No torch."""

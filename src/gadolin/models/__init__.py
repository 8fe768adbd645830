"""Use of a trained model: bundle, runtime, predictor, decision, provenance. No torch."""

"""Classification accuracy, calibration, abstention and out-of-distribution detection."""

"""A first report: anomaly detection on contaminated data that ships with scikit-learn."""

"""A first report: every chapter of the thesis on data that ships with scikit-learn."""

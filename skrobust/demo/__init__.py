"""An example of everything: five kinds of corruption on data that ship with scikit-learn."""

"""Good estimators with one fault each; in a module that other processes can import."""

import threading

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler

__all__ = ["Faulty", "RoundedTargets"]


class Faulty(ClassifierMixin, BaseEstimator):
    """A good classifier with one fault."""

    is_sound = True  # the same in every process unless somebody sets it

    def __init__(self, fault, random_state=None):
        self.fault = fault
        self.random_state = random_state

    def fit(self, X, y):
        X, y = self._seen(X), np.asarray(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        in_thread = threading.current_thread() is not threading.main_thread()
        biased = {"label_names": True, "threads": in_thread, "processes": not self.is_sound}
        if biased.get(self.fault):  # the first class in the alphabet is drowned
            codes = np.where(np.arange(len(codes)) % 3 == 0, 1, codes)
        rows = slice(0, 60) if self.fault == "row_order" else slice(None)
        forest = RandomForestClassifier(50, min_samples_leaf=10, random_state=self.random_state)
        self.model_ = make_pipeline(
            RobustScaler(), forest
        )  # trees take narrow columns for constant
        self.model_.fit(X[rows], codes[rows])
        return self

    def _seen(self, X):
        X = np.asarray(X)
        columns = {"column_order": slice(0, 2), "constant_column": slice(-2, None)}
        X = X[:, columns.get(self.fault, slice(None))]
        if self.fault == "units":  # a narrow column is taken for a constant
            return np.where(np.ptp(X, axis=0) < 1e-2, 0.0, X)
        return np.round(X) if self.fault == "float32" and X.dtype == np.float32 else X

    def predict_proba(self, X):
        X = self._seen(X)
        if self.fault == "chunks":  # scaled by the rows beside it
            X = X / (1e-9 + np.abs(X).max(axis=0))
        return self.model_.predict_proba(X)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class RoundedTargets(LinearRegression):
    def fit(self, X, y):
        return super().fit(X, np.round(y, 3))

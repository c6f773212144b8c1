"""scikit-learn: networks as estimators, in pipelines, searches and cross-validation.

    NetworkClassifier(hidden=(100,)).fit(X, y).predict(X)

Import this module yourself: `import chainrule` never imports scikit-learn. It needs `pip install 'chainrule[sklearn]'`.
"""

from chainrule.interop.sklearn.classifier import NetworkClassifier
from chainrule.interop.sklearn.regressor import NetworkRegressor

__all__ = ["NetworkClassifier", "NetworkRegressor"]

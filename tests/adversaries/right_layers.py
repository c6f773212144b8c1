"""All right layers in odd forms: a checker may call none of them wrong."""

from adversaries.case import Adversary
from adversaries.right_features import feature_layers
from adversaries.right_forms import form_layers
from adversaries.right_kinks import kink_layers
from adversaries.right_library import library_layers
from adversaries.right_parameters import parameter_layers
from adversaries.right_pointwise import pointwise_layers
from adversaries.right_rows import row_layers
from adversaries.right_values import value_layers
from adversaries.right_ways import way_layers

RIGHT_LAYERS: list[Adversary] = [
    *pointwise_layers(),
    *kink_layers(),
    *feature_layers(),
    *parameter_layers(),
    *row_layers(),
    *form_layers(),
    *value_layers(),
    *library_layers(),
    *way_layers(),
]

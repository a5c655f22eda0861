"""Kinds of defects as data: one model each, which recipes and the command line share.

A new kind is a generator in ``defectflow.structures``, a model here, and its line in
``defectflow.recipes.defects``. Importing this package imports pydantic and nothing heavier.
"""

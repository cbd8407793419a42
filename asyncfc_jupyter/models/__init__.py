"""The models that a run can use, all through one narrow protocol (`asyncfc_jupyter.models.base`)."""

"""The models a run can talk to, behind one narrow protocol (`asyncfc_jupyter.models.base`)."""

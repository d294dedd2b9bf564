"""Run by Python at the start of every process that has this folder on its PYTHONPATH, see `hidden_lab.py`."""

import hidden_lab

hidden_lab.hide()

{% include cookiecutter.__database ~ "/test_refusals.py" %}

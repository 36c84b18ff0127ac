{% include cookiecutter.__database ~ "/test_outages.py" %}

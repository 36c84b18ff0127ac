{% include cookiecutter.__database ~ "/database.py" %}

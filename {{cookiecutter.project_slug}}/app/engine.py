{% include cookiecutter.__engine ~ "/engine.py" %}

{% include cookiecutter.__engine ~ "/broker.jinja" %}

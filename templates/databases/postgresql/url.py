"postgresql://app:app@localhost:5432/{{ cookiecutter.project_slug }}"

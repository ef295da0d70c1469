# Tasks for developers; `just` lists them. Without just, run the lines by hand.

lint:
    ruff format --check .
    ruff check .
    mypy

format:
    ruff check --fix .
    ruff format .

test:
    python -m pytest -q

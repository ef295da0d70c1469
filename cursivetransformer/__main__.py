"""`python -m cursivetransformer` is the command `cursive`."""

from cursivetransformer.cli import main

if __name__ == "__main__":
    main()

"""Entry point of `python -m featheredge`, which runs the `featheredge` command."""

from featheredge.cli import main

if __name__ == "__main__":
    main()

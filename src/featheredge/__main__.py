"""`python -m featheredge` is the `featheredge` command."""

from featheredge.cli import main

if __name__ == "__main__":
    main()

"""`python -m empo_serve` is `empo-serve`."""

from empo_serve.cli import main

if __name__ == "__main__":
    main()

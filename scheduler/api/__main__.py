"""`python -m scheduler.api` is `python -m scheduler.http`."""

from scheduler.http.__main__ import main

if __name__ == "__main__":
    main()

"""``python -P -m api``: the ``matakota`` command without its script on the PATH."""

from api.cli import main

if __name__ == "__main__":
    main()

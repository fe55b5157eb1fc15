"""The API as it runs, but that its imports are children of `hog_server`."""

from scheduler import import_process
from scheduler.http.__main__ import main
from scheduler.import_process import imports
from scheduler.import_process.parent import Nursery

if __name__ == "__main__":
    imports._nursery = Nursery("tests.support.hog_server")
    import_process.start = imports._nursery.start
    main()

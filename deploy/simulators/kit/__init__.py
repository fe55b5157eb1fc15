"""The common parts of simulators. Nothing here depends on a provider.

A simulator of another provider is a folder beside this one. It brings the paths, the fields, the
check of credentials, the signature of callbacks and the provider's errors; from here it takes:

* `running.InThread(make)` and `running.run(make)`: the simulator in a thread, or as the process.
  `make` gives an object with `route(request)` and `close()`; it is called on the event loop.
* `http_server.Request`: `method`, `path`, `query`, `header(name)`, `body`, `at`; to be answered
  once, at any time later: `answer`, `truncate`, `dribble`, `reset` or `hang`.
* `faults`: `Answer` and `Posts` name what can go wrong with a create and with its callbacks,
  `draw` chooses one by its rate, `give` answers a create so.
* `timer_grid.Timeline`: `after(seconds, act, subject)`, for answers and callbacks that come later.
* `http_client.Client` sends a `Post(url, body, headers, told)`, or another `Call`; `told` hears the
  HTTP status or a `Failure`.
* `log.Log`: the ground truth, with rows (NamedTuples) in the provider's own words.
* `admin.answer(request, endpoint)`: the simulator's own endpoints (`GET /log`, …), for loopback
  only; `page_asked` and `json_object` read their requests.

tests/deploy/simulators/kit/toy.py is a whole simulator made of these.
"""

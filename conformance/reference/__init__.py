"""The reference server: the model answer to the contract, MUST and SHOULD, on Starlette and uvicorn.

One request runs through it from the left to the right, and each module has one job::

    app ─► incoming ─► intake ─► decision ─► answers ─► transmission
           (the bytes) (judges)  (a value)   (objects)  (bytes, in time)

    asked      what a document asks for              identifiers fresh ids
    settings   what the server is started with       store    approvals that wait, and how each was settled
    model      what the pretended model says         quota    the rate limit
    behaviour  the seams at which a server may be told to behave otherwise
    serving    in a thread, in a process of its own, or in the foreground
"""

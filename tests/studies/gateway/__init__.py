"""A gateway that makes a plain OpenAI-compatible server KiteMesh-compatible: a second target, with streams not our own.

It is written from the documentation and `schemas/` alone and shares no code with the suite. A request is read and
judged (`intake`), an approval is asked for or decided on (`approvals`), and what is left is asked of the upstream
(`app`), whose answer is passed on octet by octet but for the few edits of `edit` and `events`:

- The value of `model` becomes the group that was asked for, in answers and in each chunk that has a `model`.
- `kitemesh` is added to an answer, and in a stream to the first chunk with a `finish_reason`.
- An error becomes the documented error object. Its status stays, but for 401, 403 and redirections, which are
  between the gateway and its upstream: they become 502.
- `Date`, `Server`, content codings and the framing of HTTP are the gateway's own.

All else stays the upstream's: ids, times, texts, usage, `finish_reason`, the order of members and the white space
between them, line ends, comments, event fields, `[DONE]` or its absence, and an early end. Octets wait for the end of
their event, no longer. Members that are missing stay missing. Only the stream of an approval is the gateway's own.
"""

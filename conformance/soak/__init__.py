"""A soak: many users at once for a while, every answer judged by the checks of a run, isolation first.

Locust makes the users, spreads them over machines (its own master and workers) and counts the latencies. It runs on
gevent, the recording client on asyncio. They meet in one process without either being bent:

- Locust's monkey patching is switched off before it is imported (`driving`), so `socket`, `ssl`, `threading` and
  asyncio stay what they are. What Locust needs of gevent (its hub, its messages) it calls by name.
- The main thread is gevent's: Locust's runner, and a greenlet for each user. A second, real thread runs one asyncio
  loop with the recording client (`station`). A user's greenlet hands a coroutine over and sleeps until it is done
  (`bridge`); no thread ever touches the other's loop but through what each library gives for that.
- Judging computes, and would hold up both: it is done in a process of its own (`apart`), in windows of some hundred
  exchanges. Where it does not keep up, users wait for it before they ask again: nothing piles up, nothing is skipped.

What has been judged is dropped, counts and one example for each requirement aside, so memory stays flat. What has to be
known for longer, the ids of answers, is kept as hashes, so many and no more (`ledger`). A request's marker is known by
its form (`markers`): one that belongs to another request is found in an answer however long ago that request was, and
whichever worker sent it.

`driving` and `bridge` alone import Locust and gevent; nothing else of the package imports these two.
"""

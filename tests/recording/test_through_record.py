"""What stands in front of a server changes nothing: browsers, and a whole run, meet the same through `record`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import replace
from queue import Empty, Queue

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from test_record import origin, recording

from conformance.contract.catalogue import Side
from conformance.judging import judge as judging
from conformance.judging.verdict import State
from conformance.reference import faults
from conformance.reference.app import create_app
from conformance.reference.serving import in_thread
from conformance.reference.settings import DEFAULT_MODEL, FIRST_TOKEN, Settings
from conformance.running import run
from conformance.settings.options import Depth, Options

PAGE = f"""<!doctype html><meta charset="utf-8"><title>A page</title><body><script>
const ask = async (stream) => {{
  const answer = await fetch("/v1/chat/completions", {{
    method: "POST",
    headers: {{"Content-Type": "application/json", Authorization: "Bearer {FIRST_TOKEN}"}},
    body: JSON.stringify({{
      model: "{DEFAULT_MODEL}", stream,
      messages: [{{role: "user", content: "Reply with just these words: cerf-volant 凧 \U0001fa81"}}],
    }}),
  }});
  if (!stream) return (await answer.json()).choices[0].message.content;
  const events = [];
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
  for (const event of text.split("\\n\\n")) if (event) events.push(event.slice(6));
  return events.slice(0, -1).map((e) => JSON.parse(e).choices[0].delta.content ?? "").join("") + " " + events.at(-1);
}};
(async () => {{
  const told = [await ask(false), await ask(true)];
  await fetch("/told", {{method: "POST", body: told.join(" | ")}});
}})();
</script>"""


def chromium() -> str:
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("Chromium is not installed")
    return found


def test_fetch_of_a_browser_works_unchanged(tmp_path):
    """A page and the API on one origin, as behind a gateway: the browser talks to the recorder alone."""
    program = chromium()

    told: Queue[str] = Queue()

    async def page(request: Request) -> HTMLResponse:
        return HTMLResponse(PAGE)

    async def tell(request: Request) -> Response:
        told.put((await request.body()).decode())
        return Response(status_code=204)

    api = create_app(Settings(token_interval=0.001))
    site = Starlette(routes=[Route("/", page), Route("/told", tell, methods=["POST"]), Mount("/", api)])
    with in_thread(site) as url, recording(origin(url)) as made, (tmp_path / "log").open("wb") as log:
        browser = subprocess.Popen(
            (program, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
             "--remote-debugging-port=0", f"{made.url}/"),
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            # The page itself says when it is done: a browser's own idea of that differs with the machine's load.
            answer = told.get(timeout=120)
        except Empty:
            pytest.fail((tmp_path / "log").read_text(errors="replace")[-2000:])
        finally:
            os.killpg(browser.pid, signal.SIGKILL)
            browser.wait()
        made.stop()
        transcript = made.recorder.transcript()
    words = "cerf-volant 凧 \U0001fa81"
    assert answer == f"{words} | {words} [DONE]"
    assert [exchange.status for exchange in transcript] == [200, 200]
    assert not made.told
    for side in Side:
        result = judging.judge(transcript, options=Options(side=side), opinions=False)
        assert not result.findings
    assert judging.judge(transcript).verdict["stream.done"].state is State.PASSED
    assert FIRST_TOKEN not in repr(transcript)


QUICK = Options(depth=Depth.QUICK, seed=7, wait_expiry=0.0, concurrency=4)


def judged(url: str) -> dict[str, State]:
    report = run.run(replace(run.of_reference(url, QUICK), expiring_prompt=None))
    return {outcome.requirement.id: outcome.state for outcome in report.verdict.outcomes}


@pytest.mark.parametrize("fault", ["", "stream-done-absent", "usage-negative"])
def test_a_run_comes_to_the_same_and_so_does_the_transcript(fault):
    behaviour = [faults.by_id(fault).behaviour] if fault else []
    with in_thread(create_app(Settings(token_interval=0.001), *behaviour)) as straight:
        direct = judged(f"{straight}/v1")
    with in_thread(create_app(Settings(token_interval=0.001), *behaviour)) as url, recording(origin(url)) as made:
        through = judged(f"{made.url}/v1")
        made.stop()
        transcript = made.recorder.transcript()
    assert through == direct
    afterwards = judging.judge(transcript, opinions=False).verdict
    failed = {id_ for id_, state in direct.items() if state is State.FAILED}
    assert failed == ({faults.by_id(fault).requirement} if fault else set())
    assert {o.requirement.id for o in afterwards.outcomes if o.state is State.FAILED} == failed
    passed = {o.requirement.id for o in afterwards.outcomes if o.state is State.PASSED}
    assert not {id_ for id_ in passed if direct[id_] is not State.PASSED}
    assert len(passed) > len([state for state in direct.values() if state is State.PASSED]) / 2
    assert {f.requirement for f, _ in made.told if not f.requirement.startswith("client.")} == failed

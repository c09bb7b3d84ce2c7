"""Chromium by Playwright: fetches a chat and streams, leaves one, and saves a HAR.

Arguments: Chromium, URL, file, token, model. Runs in an environment of its own; prints nothing.
"""

import sys

from playwright.sync_api import sync_playwright  # type: ignore[import-not-found]

SCRIPT = """async ([base, token, model]) => {
  const ask = async (stream, leave) => {
    const control = new AbortController();
    const answer = await fetch(base + "/v1/chat/completions", {
      method: "POST", signal: control.signal,
      headers: {"Content-Type": "application/json", "Authorization": "Bearer " + token},
      body: JSON.stringify({model, stream, messages: [{role: "user", content: leave ? "Count to 60." : "Say word."}]}),
    });
    if (!leave) return await answer.text();
    await answer.body.getReader().read();
    control.abort();
  };
  for (const [stream, leave] of [[false, false], [true, false], [true, true]]) {
    try { await ask(stream, leave); } catch (error) { }
  }
}"""

chromium, url, file, token, model = sys.argv[1:]
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    context = browser.new_context(
        record_har_path=file, record_har_content="attach" if file.endswith(".zip") else "embed"
    )
    page = context.new_page()
    page.goto(url + "/nothing")
    page.evaluate(SCRIPT, [url, token, model])
    page.wait_for_timeout(300)
    context.close()
    browser.close()

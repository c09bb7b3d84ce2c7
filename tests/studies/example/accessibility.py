"""Run axe-core on both pages of reports/example/: light and dark, on a desktop and on a phone.

    python accessibility.py AXE

AXE is the file axe.min.js of the npm package axe-core. Serious and critical violations end the program with exit code
1; lesser ones are told.
"""

from __future__ import annotations

import html
import itertools
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import chromium

DIRECTORY = Path(__file__).resolve().parents[3] / "reports" / "example"
PAGES = ("failing.html", "passing.html")
WINDOWS = {"desktop": (1280, 900), "phone": (390, 844)}
GRAVE = {"serious", "critical"}

# The page's own policy forbids scripts, so the copy does without it. What is folded is unfolded, to be judged as well.
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
_SCRIPT = """<script src="axe.min.js"></script>
<script>
for (const folded of document.querySelectorAll("details")) folded.open = true;
const tell = (found) => {
  const told = document.createElement("pre");
  told.id = "axe-results";
  told.textContent = JSON.stringify(found);
  document.body.append(told);
};
axe.run(document, {resultTypes: ["violations"]}).then(
  (results) => tell({passes: results.passes.length, violations: results.violations.map((violation) => ({
    id: violation.id, impact: violation.impact, help: violation.help,
    nodes: violation.nodes.map((node) => `${node.html.slice(0, 200)} ${node.failureSummary}`),
  }))}),
  (error) => tell({error: String(error)}),
);
</script>
</body>"""


def judged(page: Path, axe: Path, window: str, *, dark: bool) -> dict[str, Any]:
    """What axe-core found in a page: `passes`, the number of rules that hold, and `violations`."""
    with tempfile.TemporaryDirectory(prefix="axe-") as elsewhere:
        copy = Path(elsewhere) / page.name
        shutil.copy(axe, copy.with_name("axe.min.js"))
        text = _POLICY.sub("", page.read_text(encoding="utf-8"))
        copy.write_text(text.replace("</body>", _SCRIPT), encoding="utf-8")
        document = chromium.document(copy, *WINDOWS[window], dark=dark)
    told = re.search(r'<pre id="axe-results">(.*?)</pre>', document, re.DOTALL)
    if told is None:
        sys.exit(f"axe-core said nothing about {page.name}.")
    found: dict[str, Any] = json.loads(html.unescape(told[1]))
    if "error" in found or not found["passes"]:
        sys.exit(f"axe-core failed on {page.name}: {found.get('error', 'no rule was judged')}")
    return found


def main(axe: Path) -> int:
    """Judge all, tell, and give the exit code."""
    chromium.program()
    grave = 0
    for name, window, dark in itertools.product(PAGES, WINDOWS, (False, True)):
        found = judged(DIRECTORY / name, axe, window, dark=dark)
        print(f"{name}, {window}, {'dark' if dark else 'light'}: {found['passes']} rules hold, ", end="")
        print(f"violations {len(found['violations'])}")
        for violation in found["violations"]:
            grave += violation["impact"] in GRAVE
            print(f"  {violation['impact']}: {violation['id']}: {violation['help']}")
            for node in violation["nodes"][:5]:
                print("    " + node.replace("\n", " "))
    return 1 if grave else 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        sys.exit("Give the path of axe.min.js, of the npm package axe-core.")
    sys.exit(main(Path(sys.argv[1])))

// Reads streams with eventsource-parser: JSON on standard input, JSON on standard output.
// in:  [{"body": base64, "ways": [[octets of each piece, …], …]}, …]
// out: {"version": …, "streams": [{"made": [{"events": […], "error": …}, …], "ways": [index into made, …]}, …]}
// What a parser tells of an event's own block (id, retry) is carried on from event to event, as the standard does.
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const home = join(process.argv[2], "eventsource-parser")
const about = JSON.parse(readFileSync(join(home, "package.json"), "utf8"))
const { createParser } = await import(pathToFileURL(join(home, about.exports["."].default ?? about.module)).href)

function read(body, way) {
  const events = []
  let id = "", retry = null, error = ""
  const parser = createParser({
    onEvent(event) {
      id = event.id ?? id
      events.push({ data: event.data, event: event.event ?? "", id, retry })
    },
    onRetry(milliseconds) { retry = milliseconds },
  })
  const decoder = new TextDecoder()
  let at = 0
  try {
    for (const length of way) {
      parser.feed(decoder.decode(body.subarray(at, at + length), { stream: true }))
      at += length
    }
    parser.feed(decoder.decode())
    parser.reset()
  } catch (raised) {
    error = `${raised.name}: ${String(raised.message).split("\n")[0]}`
  }
  return { events, error }
}

const streams = JSON.parse(readFileSync(0, "utf8")).map(({ body, ways }) => {
  const octets = Buffer.from(body, "base64")
  const made = [], known = new Map()
  const indices = ways.map((way) => {
    const outcome = read(octets, way), key = JSON.stringify(outcome)
    if (!known.has(key)) known.set(key, made.push(outcome) - 1)
    return known.get(key)
  })
  return { made, ways: indices }
})
process.stdout.write(JSON.stringify({ version: about.version, streams }))

// Drives npm `openai`, and `eventsource-parser` behind fetch as a hand-written client uses it.
// Jobs come and results go as in driving.py; the first argument is the directory `node_modules`.
import { readFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const AT_ONCE = 6
const modules = process.argv[2]

function described(name) {
  return JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8"))
}

async function imported(name, below) {
  let file = described(name).exports[below]
  while (typeof file !== "string") file = file.import ?? file.default
  return import(pathToFileURL(join(modules, name, file)).href)
}

const { OpenAI } = await imported("openai", ".")
const { EventSourceParserStream } = await imported("eventsource-parser", "./stream")

function client(job) {
  return new OpenAI({ apiKey: job.token, baseURL: job.base, maxRetries: 0 })
}

function asked(job) {
  return { model: job.model, messages: job.messages }
}

function completion(made) {
  const { message, finish_reason } = made.choices[0]
  const calls = (message.tool_calls ?? []).map((call) => ({
    id: call.id, name: call.function.name, arguments: call.function.arguments,
  }))
  return { role: message.role, content: message.content, finish: finish_reason, calls }
}

// Puts a stream's chunks together; fragments of calls are joined by their index.
class Whole {
  content = ""
  finish = null
  calls = new Map()

  add(chunk) {
    const choice = chunk.choices?.[0]
    if (!choice) return
    this.content += choice.delta?.content ?? ""
    for (const part of choice.delta?.tool_calls ?? []) {
      if (!this.calls.has(part.index)) this.calls.set(part.index, { id: null, name: "", arguments: "" })
      const call = this.calls.get(part.index)
      call.id = part.id ?? call.id
      call.name += part.function?.name ?? ""
      call.arguments += part.function?.arguments ?? ""
    }
    this.finish = choice.finish_reason ?? this.finish
  }

  told() {
    return { content: this.content, finish: this.finish, calls: [...this.calls.values()] }
  }
}

const ways = {
  async "openai-npm-create"(job) {
    return completion(await client(job).chat.completions.create(asked(job)))
  },

  async "openai-npm-stream"(job) {
    const whole = new Whole()
    for await (const chunk of await client(job).chat.completions.create({ ...asked(job), stream: true })) whole.add(chunk)
    return whole.told()
  },

  async "openai-npm-helper"(job) {
    return completion(await client(job).chat.completions.stream(asked(job)).finalChatCompletion())
  },

  async "parser-fetch"(job) {
    const response = await fetch(`${job.base}/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${job.token}`, "content-type": "application/json" },
      body: JSON.stringify({ ...asked(job), stream: true }),
    })
    if (!response.ok) {
      const { error } = await response.json()
      throw Object.assign(new Error(error.message), { status: response.status, code: error.code })
    }
    const whole = new Whole()
    const events = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())
    for await (const { data } of events) {
      if (data === "[DONE]") break
      whole.add(JSON.parse(data))
    }
    return whole.told()
  },
}

function raised(error) {
  return {
    raised: {
      type: error?.constructor?.name ?? typeof error,
      line: String(error?.message ?? error).trim().split("\n")[0],
      status: error?.status ?? null,
      code: error?.code ?? null,
    },
  }
}

function within(seconds, way, job) {
  let timer
  const late = new Promise((resolve) => { timer = setTimeout(resolve, seconds * 1000, { hangs: true }) })
  return Promise.race([way(job).catch(raised), late]).finally(() => clearTimeout(timer))
}

process.on("unhandledRejection", () => {}) // of what was left behind at the deadline
const order = JSON.parse(readFileSync(0, "utf8"))
const told = order.jobs.map(() => ({}))
const waiting = order.jobs.flatMap((job, at) => Object.keys(ways).map((name) => ({ job, at, name })))
async function worker() {
  for (let one = waiting.shift(); one; one = waiting.shift())
    told[one.at][one.name] = await within(order.deadline, ways[one.name], one.job)
}
await Promise.all(Array.from({ length: AT_ONCE }, worker))
const versions = { openai: described("openai").version, "eventsource-parser": described("eventsource-parser").version }
let rest = Buffer.from(JSON.stringify({ versions, told }))
while (rest.length) {
  try {
    rest = rest.subarray(writeSync(1, rest))
  } catch (error) {
    if (error.code !== "EAGAIN") throw error
  }
}
process.exit(0) // what hangs would hold the process

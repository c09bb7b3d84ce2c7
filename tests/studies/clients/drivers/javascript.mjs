// Drives npm `openai`, or `eventsource-parser` behind fetch as a hand-written client uses it.
// The arguments are the directory `node_modules`, which of the two, and the order of driving.py; results go as there.
import { readFileSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const [modules, program] = process.argv.slice(2)
const order = JSON.parse(process.argv[4])

function described(name) {
  return JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8"))
}

async function imported(name, below) {
  let file = described(name).exports[below]
  while (typeof file !== "string") file = file.import ?? file.default
  return import(pathToFileURL(join(modules, name, file)).href)
}

const { OpenAI } = program === "openai" ? await imported("openai", ".") : {}
const { EventSourceParserStream } = program === "openai" ? {} : await imported("eventsource-parser", "./stream")

function client(job) {
  return new OpenAI({ apiKey: job.token, baseURL: job.base })
}

function asked(job) {
  return { model: job.model, messages: job.messages, max_tokens: job.max_tokens }
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

const openai = {
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

}

const parser = {
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

const ways = program === "openai" ? openai : parser

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

async function told(way, job) {
  return way(job).catch(raised)
}

function withoutIds(one) {
  return one.calls ? { ...one, calls: one.calls.map(({ id, ...rest }) => rest) } : one
}

process.on("unhandledRejection", () => {})
const began = Date.now() / 1000
const { KITEMESH_URL: base, KITEMESH_TOKEN: token, KITEMESH_MODEL: model } = process.env
const done = {}
const waiting = []
for (const [scenario, prompt] of Object.entries(order.scenarios)) {
  done[scenario] = {}
  for (const [name, way] of Object.entries(ways)) {
    const messages = prompt === null ? [] : [{ role: "user", content: prompt }]
    const max_tokens = 1000 + waiting.length // so that no request looks like another one's second try
    waiting.push(told(way, { base, token, model, messages, max_tokens }).then((one) => { done[scenario][name] = one }))
  }
}
const all = Promise.all(waiting)
let timer
await Promise.race([all, new Promise((resolve) => { timer = setTimeout(resolve, order.deadline * 1000) })])
clearTimeout(timer)
const known = Object.fromEntries(Object.entries(done).map(([scenario, one]) => [
  scenario, Object.fromEntries(Object.keys(ways).map((name) => [name, one[name] ?? { hangs: true }])),
]))
const version = { [program]: described(program).version }
const found = { base, began, ended: Date.now() / 1000, version, told: known }
writeFileSync(join(order.told, `${process.pid}-${program}-${began}.json`), JSON.stringify(found))
await all
let failed = 0
for (const [scenario, one] of Object.entries(done)) {
  for (const name of Object.keys(ways)) {
    writeSync(1, `${scenario} ${name} ${JSON.stringify(withoutIds(one[name]))}\n`)
    if (order.scenarios[scenario] !== null && one[name].raised) {
      failed = 1
      writeSync(2, `${scenario}, ${name}: ${one[name].raised.type}: ${one[name].raised.line}\n`)
    }
  }
}
process.exit(failed)

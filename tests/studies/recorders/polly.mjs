// Polly.JS around fetch: a chat and a stream in one recording. Arguments: modules, URL, folder, token, model.
import { createRequire } from "node:module";

const [modules, url, folder, token, model] = process.argv.slice(2);
const require = createRequire(modules + "/");
const { Polly } = require("@pollyjs/core");
Polly.register(require("@pollyjs/adapter-fetch"));
Polly.register(require("@pollyjs/persister-fs"));
const polly = new Polly("session", {
  adapters: ["fetch"], persister: "fs", persisterOptions: { fs: { recordingsDir: folder } },
  recordIfMissing: true, logLevel: "silent",
});
for (const stream of [false, true]) {
  const body = JSON.stringify({ model, stream, messages: [{ role: "user", content: "Say word." }] });
  const headers = { "Content-Type": "application/json", Authorization: "Bearer " + token };
  await (await fetch(url + "/v1/chat/completions", { method: "POST", headers, body })).text();
}
await polly.stop();

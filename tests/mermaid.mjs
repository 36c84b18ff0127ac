// Prints an error for each diagram in the given files that mermaid cannot parse.
import { readFileSync } from "node:fs";
import { Window } from "happy-dom";

// mermaid expects a browser's window and document when it is loaded.
globalThis.window = new Window();
globalThis.document = window.document;
const { default: mermaid } = await import("mermaid");

let count = 0;
for (const path of process.argv.slice(2)) {
  const blocks = readFileSync(path, "utf8").matchAll(/^```mermaid\n(.*?)^```/gms);
  for (const [, diagram] of blocks) {
    count += 1;
    await mermaid.parse(diagram).catch((error) => {
      process.exitCode = 1;
      console.log(`${path}: ${error.message}`);
    });
  }
}
console.log(`${count} diagrams`);
await window.happyDOM.close();

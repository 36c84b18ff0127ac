// Uses the operators' page as people and attackers do, in a real browser. Prints what is wrong.
import { spawnSync } from "node:child_process";
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { launch } from "./browser.mjs";

const [executable, given] = process.argv.slice(2);
// The ports of a process in development and of one in production, and how to add a failure.
const { development, production, token, fail, project } = JSON.parse(given);
const local = `http://localhost:${development}`;
// A name that browsers do not trust without https.
const named = (port) => `http://ops.example:${port}`;
const AXE = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const LISTS = ["", "/jobs", "/jobs?status=failed", "/jobs?status=running", "/jobs?status=queued"];

let checks = 0;
const check = (what, isRight, detail = "") => {
  checks += 1;
  if (!isRight) {
    process.exitCode = 1;
    console.log(`WRONG: ${what} ${typeof detail === "string" ? detail : JSON.stringify(detail)}`);
  }
};

const browser = await launch(executable, "ops.example", "evil.example");
const violations = [];
async function visitor(options = {}) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(20_000);
  context.on("console", (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) violations.push(message.text());
  });
  context.on("weberror", (error) => violations.push(String(error.error())));
  return { context, page: await context.newPage() };
}
async function logIn(page, base, path = "/ops") {
  await page.goto(base + path);
  await page.fill("#token", token);
  await page.press("#token", "Enter");
  await page.waitForLoadState();
}
const text = (page) => page.innerText("main");
// Everything must be within reach of a keyboard.
async function tabTo(page, label, within = "body") {
  for (let presses = 0; presses < 300; presses += 1) {
    await page.keyboard.press("Tab");
    const isThere = ([wanted, place]) =>
      document.activeElement.innerText === wanted && document.activeElement.closest(place) !== null;
    if (await page.evaluate(isThere, [label, within])) return;
  }
  throw new Error(`no Tab leads to ${label}`);
}
async function pressed(page, label, within) {
  await tabTo(page, label, within);
  await Promise.all([page.waitForURL(/did=/), page.keyboard.press("Enter")]);
  return page.innerText(".notice");
}
async function firstJob(page, query) {
  await page.goto(`${local}/ops/jobs?${query}`);
  await page.click("tbody a");
  await page.waitForURL(/ops\/jobs\/[0-9a-f-]{36}$/);
}

// Looks: accessible, and as wide as the screen, in each form.
const forms = {
  light: { viewport: { width: 1280, height: 900 } },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: "dark" },
  phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
};
for (const [form, options] of Object.entries(forms)) {
  const { context, page } = await visitor(options);
  const look = async (name) => {
    await page.evaluate(AXE);
    const found = await page.evaluate((values) => axe.run({ runOnly: values }), RULES);
    const wrong = found.violations.map((rule) => [rule.id, rule.nodes.map((node) => node.html)]);
    check(`${form} ${name}: axe`, wrong.length === 0, wrong);
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    check(`${form} ${name}: width`, width <= options.viewport.width, String(width));
  };
  await page.goto(`${local}/ops`);
  await look("login");
  await logIn(page, local);
  for (const path of LISTS) {
    await page.goto(`${local}/ops${path}`);
    await look(path || "overview");
    if (path.includes("status")) {
      await page.click("tbody a");
      await look(`job of ${path}`);
    }
  }
  await page.goto(`${local}/ops`);
  await page.click("summary");
  await look("confirmation");
  await page.goto(`${local}/ops/jobs/00000000-0000-0000-0000-000000000000`);
  await look("no such job");
  await context.close();
}

// Every action, with the keyboard only.
const { context, page } = await visitor();
await logIn(page, local, "/ops/jobs?status=failed");
check("the login leads on", page.url() === `${local}/ops/jobs?status=failed`, page.url());
await firstJob(page, "status=failed");
check("retry", (await pressed(page, "Retry")) === "Queued again: 1.");
await firstJob(page, "status=queued&task=send_invoice");
check("run now", (await pressed(page, "Run now")).startsWith("The job starts now"));
await firstJob(page, "status=queued&task=import_orders");
await tabTo(page, "Cancel …");
await page.keyboard.press("Enter");
check("cancel", (await pressed(page, "Cancel this job")).startsWith("The job is cancelled"));
check("a cancelled job can be retried", (await text(page)).includes("Retry"));
await page.goto(`${local}/ops`);
check("a schedule", (await pressed(page, "Run now")) === "The schedule runs now.");
await page.goto(`${local}/ops`);
const all = await page.innerText("summary");
await tabTo(page, all);
await page.keyboard.press("Enter");
const count = /[\d,]+/.exec(all)[0];
check("retry all", (await pressed(page, `Retry ${count} jobs`)) === `Queued again: ${count}.`);

// It keeps itself up to date, and says so if it cannot.
await page.goto(`${local}/ops`);
spawnSync(fail[0], fail.slice(1), { cwd: project, stdio: "inherit" });
const shown = page.waitForSelector("text=it has just failed", { timeout: 10_000 });
check("a new failure shows by itself", await shown.then(() => true, () => false));
await page.route("**/ops", (route) => route.abort());
const stale = page.waitForSelector("#stale:visible", { timeout: 15_000 });
check("it says that it is not up to date", await stale.then(() => true, () => false));
await page.unroute("**/ops");
const fresh = page.waitForSelector("#stale", { state: "hidden", timeout: 15_000 });
check("and that it is again", await fresh.then(() => true, () => false));

// Pages of another site, and of another port of this host.
const attack = createServer((request, response) => {
  const target = new URL(request.url, "http://attack").searchParams.get("target");
  response.setHeader("Content-Type", "text/html");
  response.end(`<a href="${target}">look</a><form method="post" action="${target}"><button>win</button></form>`);
});
await new Promise((resolve) => attack.listen(0, "127.0.0.1", resolve));
const { port } = attack.address();
await firstJob(page, "status=failed");
const job = page.url();
const status = () => page.evaluate(async (url) => (await (await fetch(url)).text()).match(/class="badge (\w+)"/)[1], job);
for (const place of ["localhost", "127.0.0.1", "evil.example"]) {
  const enemy = await context.newPage();
  await enemy.goto(`http://${place}:${port}/?target=${job}/retry`);
  const [refused] = await Promise.all([enemy.waitForResponse(/retry$/), enemy.click("button")]);
  check(`a form of ${place}`, [303, 403].includes(refused.status()), String(refused.status()));
  if (place === "localhost") check("a sibling port has the cookie, and is refused", refused.status() === 403);
  check(`nothing is retried by ${place}`, (await status()) === "failed");
  await enemy.close();
}

// A link from a chat or an alert leads to the page, although the cookie is strict.
const chat = await context.newPage();
await chat.goto(`http://evil.example:${port}/?target=${job}`);
await chat.click("a");
await chat.waitForURL(job).catch(() => undefined);
check("a link from another site", chat.url() === job, chat.url());
await chat.close();

// Over http, to a name: without Sec-Fetch-Site, the Origin of our own forms counts.
const other = await visitor();
await logIn(other.page, named(development));
await other.page.goto(`${named(development)}/ops/jobs?status=failed`);
await other.page.click("tbody a");
check("a form over http", (await pressed(other.page, "Retry")) === "Queued again: 1.");
const mine = await other.context.newPage();
await mine.goto(`http://evil.example:${port}/?target=${other.page.url().split("?")[0]}/cancel`);
const [denied] = await Promise.all([mine.waitForResponse(/cancel$/), mine.click("button")]);
check("a form of another site over http", denied.status() === 403, String(denied.status()));
await other.page.click("text=Log out");
check("logged out", (await text(other.page)).includes("OPS_TOKEN"));

// In production, the cookie requires https or localhost, and the page says so.
const strict = await visitor();
await logIn(strict.page, named(production));
check("http in production", (await text(strict.page)).includes("did not keep the session"));
await logIn(strict.page, `http://localhost:${production}`);
const [cookie] = (await strict.context.cookies()).filter(({ domain }) => domain === "localhost");
check("its cookie", cookie?.name === "__Host-ops" && cookie.secure && cookie.httpOnly && cookie.sameSite === "Strict", cookie);

// Without JavaScript.
const plain = await visitor({ javaScriptEnabled: false });
await logIn(plain.page, local, "/ops/jobs?status=failed");
await plain.page.click("tbody a");
await plain.page.click("text=Retry");
await plain.page.waitForURL(/did=retry/);
check("without JavaScript", (await text(plain.page)).includes("Queued again: 1."));

check("no violation of the policy", violations.length === 0, violations);
attack.close();
await browser.close();
console.log(`${checks} checks`);

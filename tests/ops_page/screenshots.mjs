// Writes the screenshots of the README: the overview, light and dark.
import { launch } from "./browser.mjs";

const [executable, base, folder] = process.argv.slice(2);
const browser = await launch(executable);
for (const [colorScheme, name] of [["light", "ops"], ["dark", "ops-dark"]]) {
  const page = await browser.newPage({ colorScheme, viewport: { width: 1100, height: 700 } });
  await page.goto(`${base}/ops`);
  await page.screenshot({ path: `${folder}/${name}.png` });
  console.log(`${folder}/${name}.png`);
}
await browser.close();

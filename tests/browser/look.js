// Looking at a page as people have it: both themes, a desk and a phone. Every page and state that matters goes through here.
import { readFile, mkdir } from "node:fs/promises";
import { createRequire } from "node:module";

const SIZES = [[1280, 800, ""], [390, 844, "-phone"]];
// What may not be found at all. Lesser findings are advice.
const GRAVE = ["serious", "critical"];

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export function assert(holds, what) {
  if (!holds) throw new Error(what);
}

// Grave violations of WCAG 2.2 A and AA, as axe-core finds them, each with the places.
async function violations(page) {
  // Evaluated by the driver, so that the page's own policy stays in force.
  await page.evaluate(axe);
  const found = await page.evaluate(() =>
    window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], resultTypes: ["violations"] }));
  return found.violations
    .filter((violation) => GRAVE.includes(violation.impact))
    .map((violation) => `${violation.id} (${violation.help}): ${violation.nodes.slice(0, 5).map((node) =>
      `${node.target.join(" ")} ${node.any.map((check) => check.message).join("; ")}`).join(" | ")}`);
}

// Pictures in target/browser/, both themes at both sizes; fails when the page is wider than its screen, or hard to use
// for somebody.
export async function pictures(page, name) {
  await mkdir("target/browser", { recursive: true });
  const [viewport, theme] = [page.viewportSize(), await page.evaluate(() => document.documentElement.dataset.theme)];
  const faults = [];
  for (const [width, height, form] of SIZES) {
    await page.setViewportSize({ width, height });
    for (const theme of ["light", "dark"]) {
      // What is shown on a page of somebody else goes by the person's system.
      await page.emulateMedia({ reducedMotion: "reduce", colorScheme: theme });
      await page.evaluate((theme) => (document.documentElement.dataset.theme = theme), theme);
      await page.screenshot({ path: `target/browser/${name}${form}-${theme}.png`, fullPage: true });
      // Colours are of a theme, and places of a size: three of the four say all.
      if (form && theme === "dark") continue;
      for (const fault of await violations(page)) faults.push(`${name}${form}, ${theme}: ${fault}`);
    }
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    if (wide > width) faults.push(`${name} is ${wide} wide on a screen of ${width}`);
  }
  await page.emulateMedia({ colorScheme: null });
  await page.setViewportSize(viewport);
  await page.evaluate((theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
  }, theme);
  assert(faults.length === 0, faults.join("\n"));
}

// Pictures of a page in both themes, at the width of a desk and of a phone, which nothing on it may exceed.
import { mkdir } from "node:fs/promises";

export async function pictures(page, name) {
  await mkdir("target/browser", { recursive: true });
  await page.emulateMedia({ reducedMotion: "reduce" });
  for (const [width, height, form] of [[1280, 800, ""], [390, 844, "-phone"]]) {
    await page.setViewportSize({ width, height });
    for (const theme of ["light", "dark"]) {
      await page.evaluate((theme) => (document.documentElement.dataset.theme = theme), theme);
      await page.screenshot({ path: `target/browser/${name}${form}-${theme}.png`, fullPage: true });
    }
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    if (wide > width) throw new Error(`${name} is ${wide} wide on a screen of ${width}`);
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

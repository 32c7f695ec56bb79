// Pages of `sslight report` in a browser: nothing is fetched, nothing of a run becomes markup, and what can be chosen works.
//
//     npm install --prefix tests/recipes
//     node tests/recipes/report_page.mjs PAGE_OF_ONE_RUN.html PAGE_OF_SEVERAL.html [FOLDER_FOR_SCREENSHOTS]
//
// The browser is the file in the environment variable CHROMIUM, else `chromium` in PATH (Debian: `apt-get install chromium`).
// Pages to try it with, of a healthy, a collapsing, a long and a hostile run:
//
//     cargo run -p sslight-report --example sample_runs -- RUNS
//     cargo run -p sslight-report --example page -- ONE.html RUNS/healthy
//     cargo run -p sslight-report --example page -- SEVERAL.html RUNS/healthy RUNS/collapsing RUNS/long RUNS/hostile
//
// Ends with 1 if something does not hold.

import { existsSync, mkdirSync, statSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const MOST_BYTES = 3_000_000;
const [oneRun, several, screenshots] = process.argv.slice(2);
if (!several) {
  console.error("usage: node report_page.mjs PAGE_OF_ONE_RUN.html PAGE_OF_SEVERAL.html [FOLDER_FOR_SCREENSHOTS]");
  process.exit(2);
}

const inPath = process.env.PATH.split(delimiter).map((folder) => join(folder, "chromium"));
const executablePath = process.env.CHROMIUM ?? inPath.find((file) => existsSync(file));
if (!executablePath) {
  console.error("no browser found; install chromium or name its file in the environment variable CHROMIUM");
  process.exit(2);
}

let passed = 0;
let failed = 0;
const check = (what, holds, seen = "") => {
  if (holds) {
    passed += 1;
  } else {
    failed += 1;
    console.error(`FAILED: ${what}${seen === "" ? "" : ` (seen: ${seen})`}`);
  }
};

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });

// A page, and everything that it complains about or asks the network for.
const open = async (file, options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints = [];
  const url = pathToFileURL(resolve(file)).href;
  page.on("console", (message) => {
    // The warning is about this test, which reads the pixels of canvases.
    if (["error", "warning"].includes(message.type()) && !message.text().includes("willReadFrequently")) {
      complaints.push(message.text());
    }
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    if (request.url() !== url && !request.url().startsWith("data:")) {
      complaints.push(`request ${request.url()}`);
    }
  });
  await page.goto(url);
  await page.waitForTimeout(300);
  return { page, complaints, close: () => context.close() };
};

const picture = async (page, name, options = { fullPage: true }) => {
  if (screenshots) {
    mkdirSync(screenshots, { recursive: true });
    await page.screenshot({ path: join(screenshots, `${name}.png`), ...options });
  }
};

const frames = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

// Pixels of a canvas that are not empty, so that what is drawn can be told from what is only meant to be.
const ink = (page, plot) =>
  page.evaluate((index) => {
    const { ctx } = report.charts[index].plot;
    const { data } = ctx.getImageData(0, 0, ctx.canvas.width, ctx.canvas.height);
    let count = 0;
    for (let at = 3; at < data.length; at += 4) {
      count += data[at] > 0;
    }
    return count;
  }, plot);

const wide = (page) =>
  page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth - clientWidth;
  });

const describe = async (file, name) => {
  const bytes = statSync(file).size;
  check(`${name} is below ${MOST_BYTES} bytes`, bytes < MOST_BYTES, bytes);
  console.log(`${name}: ${bytes} bytes`);
};

await describe(oneRun, "page of one run");
await describe(several, "page of several runs");

for (const [file, name] of [[oneRun, "one"], [several, "several"]]) {
  for (const colorScheme of ["light", "dark"]) {
    const { page, complaints, close } = await open(file, { colorScheme });
    const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = background === "rgb(255, 255, 255)";
    check(`${name} follows the ${colorScheme} scheme`, light === (colorScheme === "light"), background);
    await picture(page, `${name}-${colorScheme}`);
    await page.click("#theme");
    const other = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    check(`${name} changes its scheme by the button`, other !== background, other);
    check(`${name}, ${colorScheme}, has nothing to complain`, complaints.length === 0, complaints.join("; "));
    await close();
  }
  {
    const { page, complaints, close } = await open(file, { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true });
    check(`${name} does not move sideways at 360 pixels`, (await wide(page)) <= 0, await wide(page));
    const drawn = await page.evaluate(() => report.charts.every(({ plot }) => plot.width > 0 && plot.width <= 360));
    check(`${name} has plots as wide as a phone`, drawn);
    await picture(page, `${name}-phone`);
    check(`${name} on a phone has nothing to complain`, complaints.length === 0, complaints.join("; "));
    await close();
  }
  {
    const { page, close } = await open(file, { javaScriptEnabled: false });
    const text = await page.innerText("body");
    check(`${name} tells without script that it draws nothing`, text.includes("Their courses are told in words"));
    check(`${name} tells courses in words without script`, text.includes("lowest"));
    check(`${name} has its configuration without script`, (await page.locator("table.config tbody tr").count()) > 10);
    check(`${name} shows no dead controls without script`, (await page.locator(".needs-script:visible").count()) === 0);
    await picture(page, `${name}-without-script`);
    await close();
  }
}

// One run.
{
  const { page, complaints, close } = await open(oneRun);
  const plots = await page.evaluate(() => report.charts.length);
  check("one run has a chart in each figure", plots === (await page.locator("figure.plot").count()), plots);
  check("every figure has ink", (await Promise.all([...Array(plots).keys()].map((plot) => ink(page, plot)))).every((count) => count > 100));

  const before = await page.evaluate(() => report.charts[0].plot.series.length);
  await page.locator("#smoothing").fill("8");
  await frames(page);
  const after = await page.evaluate(() => report.charts[0].plot.series.length);
  check("smoothing adds a line to each that is reported", after === 2 * before - 1, `${before}, then ${after}`);
  const rougher = await page.evaluate(() => {
    const roughness = (values) => values.slice(1).reduce((sum, value, index) => sum + Math.abs(value - values[index]), 0);
    const raw = report.charts[0].lines.find((line) => line.faint);
    const smooth = report.charts[0].lines.find((line) => !line.faint && line.label === raw.label);
    return roughness(raw.y) / roughness(smooth.y);
  });
  check("the smooth line is smooth", rougher > 3, rougher);
  await picture(page, "one-smoothed", { fullPage: false });
  await page.locator("#smoothing").fill("0");
  await frames(page);

  const log = page.locator("figure.plot", { hasText: "Learning rate" }).getByRole("button", { name: "log" });
  const distribution = () =>
    page.evaluate(() => report.charts.find((chart) => chart.name === "Learning rate").plot.scales.y.distr);
  check("the axis is linear at first", (await distribution()) === 1);
  await log.click();
  check("the axis becomes logarithmic", (await distribution()) === 3);
  await log.click();

  for (const axis of ["epoch", "time", "step"]) {
    await page.locator(`input[name=axis][value=${axis}]`).check();
    const { unit, max, last } = await page.evaluate(() => {
      const [chart] = report.charts;
      return { unit: chart.unit, max: chart.plot.scales.x.max, last: chart.lines[0].x.at(-1) };
    });
    check(`the axis of ${axis}s ends with the run`, last <= max && last > 0.97 * max, `${last} of ${max} ${unit}`);
  }

  await page.locator("#curves").scrollIntoViewIfNeeded();
  const over = page.locator("figure.plot .u-over").first();
  await over.scrollIntoViewIfNeeded();
  const box = await over.boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await frames(page);
  const tips = await page.evaluate(() => document.querySelectorAll(".tip:not([hidden])").length);
  check("the cursor shows values in the other plots too", tips > 5, tips);
  await picture(page, "one-cursor", { fullPage: false });
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.75, box.y + box.height / 2, { steps: 5 });
  await page.mouse.up();
  const ranges = () =>
    page.evaluate(() => report.charts.filter((chart) => chart.sync).map(({ plot }) => [plot.scales.x.min, plot.scales.x.max]));
  const zoomed = await ranges();
  check("dragging zooms all plots", zoomed.every(([min, max]) => min > 0 && min === zoomed[0][0] && max === zoomed[0][1]), zoomed[0]);
  await page.mouse.dblclick(box.x + box.width / 2, box.y + box.height / 2);
  check("a double click shows all again", (await ranges()).every(([min]) => min === 0));

  if (await page.locator("figure[data-plot=spectrum]").count()) {
    const lines = () => page.evaluate(() => report.charts.find((chart) => chart.name === "spectrum").lines.length);
    check("the spectrum shows first and last epoch", (await lines()) === 2);
    await page.locator("figure[data-plot=spectrum] select").selectOption("all");
    check("the spectrum shows all epochs", (await lines()) > 2);
  }

  // A key with a dot in it is the beginning of no other here.
  const keys = await page.locator("table.config tbody th, table.config tbody td:first-child").allTextContents();
  const sought = keys.map((key) => key.trim()).find((key) => keys.filter((other) => other.includes(key)).length === 1 && key.includes("."));
  await page.fill("#config-search", sought);
  const rows = await page.locator("table.config tbody tr:visible").count();
  check("the search finds the row of a key", rows === 1, rows);
  check("one run has nothing to complain", complaints.length === 0, complaints.join("; "));
  await close();
}

// Several runs.
{
  const { page, complaints, close } = await open(several);
  const runs = await page.evaluate(() => report.data.runs.length);
  const named = await page.evaluate(() =>
    [...document.querySelectorAll(".legend button")].map((button) => button.textContent).join() ===
    report.data.runs.map((run) => run.name).join());
  check("each run has an entry in the legend, with its name as text", named && runs > 1);

  const whole = await ink(page, 0);
  // The lines that are shown, by run: of the first one, of others.
  const shown = () =>
    page.evaluate(() => {
      const counts = { first: 0, others: 0 };
      for (const { plot, lines } of report.charts) {
        lines.forEach((line, index) => {
          counts[line.run === 0 ? "first" : "others"] += plot.series[index + 1].show;
        });
      }
      return counts;
    });
  const start = await shown();
  const withFirst = await page.evaluate(() => report.charts.filter((chart) => chart.lines.some((line) => line.run === 0)).length);
  check("at first the run is shown in all plots", start.first >= withFirst, start.first);
  await page.locator(".legend button").first().click();
  await frames(page);
  const without = await shown();
  check("its entry hides a run in all plots", without.first === 0, without.first);
  check("and no other run", without.others === start.others, without.others);
  const less = await ink(page, 0);
  check("there is less ink without it", less < whole, `${whole}, then ${less}`);
  await page.locator("#smoothing").fill("5");
  await frames(page);
  check("it stays hidden when the plots are drawn anew", (await shown()).first === 0);
  await page.locator("#smoothing").fill("0");
  await page.locator(".legend button").first().click();
  await frames(page);
  check("its entry shows it again", (await shown()).first === start.first);
  await page.locator(".parts button[aria-pressed=false]").first().click();
  check("the entry of a part shows it", (await shown()).first > start.first);

  const rows = page.locator("table.config tbody tr:visible");
  const different = await rows.count();
  await page.locator("#only-differences").uncheck();
  const all = await rows.count();
  check("only differences are shown at first", different > 0 && different < all, `${different} of ${all}`);
  const cells = await page.evaluate(() =>
    [...document.querySelectorAll("table.config tr:not(.same) code")].length > 0 &&
    [...document.querySelectorAll("table.config tbody tr.same")].every((row) => {
      const values = [...row.querySelectorAll("td code")].map((code) => code.textContent);
      return values.every((value) => value === values[0]);
    }));
  check("rows that are hidden are the same in all runs", cells);

  const over = page.locator("figure.plot .u-over").first();
  await over.scrollIntoViewIfNeeded();
  const box = await over.boundingBox();
  await page.mouse.move(box.x + 5, box.y + box.height / 2);
  await frames(page);
  await picture(page, "several-cursor", { fullPage: false });

  const unknown = await page.evaluate(() =>
    [...document.querySelectorAll("img, script")].filter((element) =>
      element.localName === "img" ? !element.src.startsWith("data:image/") : element.hasAttribute("src")).length);
  check("there are no pictures and scripts but those inside the page", unknown === 0, unknown);
  check("nothing that runs hold was run", !(await page.title()).startsWith("run"), await page.title());
  check("several runs have nothing to complain", complaints.length === 0, complaints.join("; "));
  if (screenshots) {
    await page.emulateMedia({ media: "print" });
    await page.pdf({ path: join(screenshots, "several.pdf"), printBackground: false });
  }
  await close();
}

await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

// The live page in a storm, driven by `cargo bench --bench streams -- --viewers 200`: when each new issue was shown, how busy
// the page's main thread was, and whether an hour of ticks leaves anything behind.
import { createServer } from "node:http";

const TICKS = 3600; // of a second each: an hour
const SEGMENTS = 4;
const TICKS_AT_ONCE = 20;
const PAUSE_MS = 50;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function signIn({ context, server }) {
  const [name, value] = server.cookie.split("=");
  await context.addCookies([{ name, value, url: server.url }]);
}

// Seconds that the main thread was at work since the page was loaded.
async function metrics(session) {
  const { metrics } = await session.send("Performance.getMetrics");
  return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
}

const share = (before, after, names) =>
  names.reduce((sum, name) => sum + after[name] - before[name], 0) / (after.Timestamp - before.Timestamp);

// In the page: notes when a new issue of ours stands in its lane.
function note(mark) {
  window.seenAt = {};
  const look = () => {
    for (const type of document.querySelectorAll("#lane-new [data-issue] .type")) {
      const name = type.textContent;
      if (name.startsWith(mark) && !(name in window.seenAt)) window.seenAt[name] = Date.now();
    }
  };
  new MutationObserver(look).observe(document.getElementById("lane-new"), { childList: true });
}

// Ticks as the server sends them: each brings a new issue, events of known ones, lines of the tail and the newest bar.
function tick(number, rows) {
  const id = 1_000_000 + number;
  const message = (name, data) => `id: 1-${number}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
  const issue = (id, status) => message("issue", {
    id, status, events: 1 + number, users: 3, last: Date.now(), assignee: null, who: "",
    row: rows.issue.replaceAll(rows.id, String(id)).replace(/data-status="\w+"/, `data-status="${status}"`),
  });
  const event = (nth) => rows.tail.replace(/data-event="[^"]*"/, `data-event="${number}-${nth}"`);
  const tail = Array.from({ length: 20 }, (_, nth) => event(nth));
  const bucket = Math.floor(Date.now() / 10000) * 10;
  return issue(id, "new") + [1, 2, 3, 4].map((back) => issue(id - back, "new")).join("") +
    [5, 6, 7].map((nth) => issue(500 + nth, "ongoing")).join("") +
    message("tail", { rows: tail }) + message("counts", { counts: [[bucket, number]] });
}

async function hour({ page, context }) {
  const rows = await page.evaluate(() => {
    const issue = document.querySelector("#lane-new [data-issue]");
    return { id: issue.dataset.issue, issue: issue.outerHTML, tail: document.querySelector("#tail li").outerHTML };
  });
  // The page opens its stream itself; where it leads is ours.
  let stream;
  const feeder = createServer((request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write('id: 1-0\nevent: hello\ndata: ""\n\n');
    stream = response;
  });
  await new Promise((done) => feeder.listen(0, "127.0.0.1", done));
  const address = `http://127.0.0.1:${feeder.address().port}/`;
  await context.route("**/live/stream*", (route) => route.continue({ url: address }));
  await page.reload();
  while (!stream) await pause(20);
  const session = await context.newCDPSession(page);
  await session.send("Performance.enable");
  const measured = [];
  for (let number = 1; number <= TICKS; number += 1) {
    stream.write(tick(number, rows));
    if (number % TICKS_AT_ONCE === 0) await pause(PAUSE_MS);
    if (number % (TICKS / SEGMENTS) === 0) {
      // A handle that is not let go keeps its row in memory, wherever the page puts it.
      await (await page.waitForSelector(`#lane-new [data-issue="${1_000_000 + number}"]`)).dispose();
      await pause(500);
      await session.send("HeapProfiler.collectGarbage");
      const { JSHeapUsedSize, Nodes, JSEventListeners } = await metrics(session);
      measured.push({ ticks: number, heapKB: Math.round(JSHeapUsedSize / 1024), nodes: Nodes, listeners: JSEventListeners });
    }
  }
  stream.end();
  feeder.closeAllConnections();
  feeder.close();
  return measured;
}

export const checks = [
  ["the live page in a storm", async ({ page, context, server, tell }) => {
    await signIn({ context, server });
    await page.goto(`${server.url}/live`);
    await page.evaluate(note, server.mark);
    const session = await context.newCDPSession(page);
    await session.send("Performance.enable");
    await tell("opened");
    const before = await metrics(session);
    // The answer comes when the storm is over; until then nothing is asked of the page.
    await tell("begun");
    const after = await metrics(session);
    const seen = await page.evaluate(() => window.seenAt);
    const told = {
      seen,
      busy: share(before, after, ["TaskDuration"]),
      script: share(before, after, ["ScriptDuration"]),
      layout: share(before, after, ["LayoutDuration", "RecalcStyleDuration"]),
    };
    await tell(JSON.stringify(told));
    await tell(JSON.stringify(await hour({ page, context })));
  }],
];

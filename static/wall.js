// The wall: fetches itself again, at once when something happens and every few seconds anyway, tells the time and the
// age of what it shows, and moves a little against burn-in. It replaces one element, so that it does not grow.
(() => {
  'use strict';
  const EVERY_MS = 5000;
  const SOONEST_MS = 2000;
  const STALE_MS = 30000;
  const PATIENCE_MS = 10000;
  const body = document.body;
  const two = (n) => String(n).padStart(2, '0');
  const hm = (at) => `${two(at.getHours())}:${two(at.getMinutes())}`;
  const now = () => performance.now();

  // When what is shown was true, by a clock that nobody sets.
  let trueAt = 0;
  const localise = () => {
    const main = document.getElementById('wall');
    trueAt = now() - Number(main.dataset.ageMs);
    for (const element of main.querySelectorAll('.lists time[data-hm]')) {
      const at = new Date(element.dateTime);
      const isToday = at.toDateString() === new Date().toDateString();
      element.textContent = isToday ? hm(at) : at.toLocaleDateString(undefined, { day: 'numeric', month: 'short' });
    }
    tick();
  };

  const tick = () => {
    const clock = document.querySelector('.clock time');
    if (clock) clock.textContent = hm(new Date());
    const age = now() - trueAt;
    const isStale = age > STALE_MS;
    body.toggleAttribute('data-stale', isStale);
    const label = document.getElementById('data-age');
    const since = new Date(Date.now() - age);
    const text = isStale ? `stale since ${hm(since)}:${two(since.getSeconds())}` : `data ${Math.floor(age / 1000)} s old`;
    if (label.textContent !== text) label.textContent = text;
  };

  let fetching = false;
  let lastFetch = now();
  const refresh = async () => {
    if (fetching) return;
    fetching = true;
    lastFetch = now();
    try {
      const response = await fetch('/wall', { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) });
      if (response.redirected) { location.assign(response.url); return; }
      if (!response.ok) return;
      const fresh = new DOMParser().parseFromString(await response.text(), 'text/html');
      // A new version of Firefinch brings its own script and style.
      if (fresh.body.dataset.version !== body.dataset.version) { location.reload(); return; }
      document.getElementById('wall').replaceWith(document.adoptNode(fresh.getElementById('wall')));
      localise();
    } catch {
      // The age says it; the next try comes by itself.
    } finally {
      fetching = false;
    }
  };
  let soon = 0;
  const wake = () => {
    if (soon) return;
    soon = setTimeout(() => { soon = 0; refresh(); }, Math.max(0, SOONEST_MS - (now() - lastFetch)));
  };
  setInterval(() => { if (now() - lastFetch >= EVERY_MS) refresh(); tick(); }, 1000);

  // The stream only wakes: what is shown is always the page itself.
  const listen = () => {
    const source = new EventSource(body.dataset.stream);
    for (const name of ['issue', 'counts', 'resync']) source.addEventListener(name, wake);
    source.onerror = () => { source.close(); setTimeout(listen, PATIENCE_MS); };
  };
  listen();

  const shift = () => { body.dataset.shift = String(Math.floor(Date.now() / 60000) % 4); };
  shift();
  setInterval(shift, 60000);
  localise();
})();

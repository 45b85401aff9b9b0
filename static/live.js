// Live: one stream per page. It updates figures in place, lets rows in without a jump, says in words how
// fresh the page is, and after every gap fetches the page again, so that nothing is lost or doubled.
(() => {
  'use strict';
  const page = window.firefinch;
  const body = document.body;
  if (!body.dataset.stream) return;
  const LATE_MS = 5000; // longer than two heartbeats: somebody who watches should know
  const DEAD_MS = 10000; // the connection is gone although nobody said so
  const FRAME_MS = 250; // the eye reads no faster, and a page that draws each message does nothing else in a storm
  const CALM_MS = 1000;
  const sign = () => document.getElementById('stream');

  // ---- The sign in the corner.
  let lastWord = Date.now();
  let isCut = true;
  let paused = false;
  let held = 0;
  page.isCut = () => isCut;
  const setFavicon = (name) => {
    const icon = document.getElementById('favicon');
    if (icon && icon.dataset[name] && icon.getAttribute('href') !== icon.dataset[name]) icon.href = icon.dataset[name];
  };
  let title = document.title;
  let news = 0;
  let isAlarming = false;
  // A watched deploy says what the title is about.
  page.setTitle = (count, text, grade) => {
    [news, title, isAlarming] = [count, text, grade === 'bad' || count > 0];
    showSign();
  };
  const showSign = () => {
    const element = sign();
    if (!element) return;
    const say = (state, text) => {
      if (element.dataset.state !== state) element.dataset.state = state;
      const label = element.lastElementChild;
      if (label.textContent !== text) label.textContent = text;
    };
    const silent = Date.now() - lastWord;
    if (isCut) say('cut', `Reconnecting, data ${page.words((Date.now() - lastWord) / 1000, 'short')} old`);
    else if (paused) say('paused', `Paused, ${held} waiting`);
    else if (silent > LATE_MS) say('late', `No tick for ${page.words(silent / 1000, 'short')}`);
    else if (isLive) say('open', `Tick ${(silent / 1000).toFixed(1)} s ago`);
    else say('open', body.querySelector('[data-waiting]') ? 'Listening' : 'Up to date');
    setFavicon(isCut ? 'cut' : isWatch ? (isAlarming ? 'new' : 'calm') : news > 0 ? 'new' : 'calm');
    document.title = news > 0 ? `(${news}) ${title}` : title;
  };
  const isLive = Boolean(document.querySelector('[data-live-page]'));
  const isWatch = Boolean(document.querySelector('[data-watch]'));
  setInterval(showSign, 1000);
  document.addEventListener('visibilitychange', () => { if (!document.hidden) { if (!isWatch) news = 0; showSign(); } });

  // ---- The connection. Our own reconnecting: a browser gives up for good on a refusal.
  let source = null;
  let retryMs = 500;
  let retryTimer = null;
  const connect = () => {
    clearTimeout(retryTimer);
    if (source) source.close();
    const url = new URL(body.dataset.stream, location.href);
    url.searchParams.set('since', body.dataset.seen || '');
    source = new EventSource(url);
    const heard = (name, handler) => source.addEventListener(name, (event) => {
      lastWord = Date.now();
      if (event.lastEventId) body.dataset.seen = event.lastEventId;
      handler(event.data ? JSON.parse(event.data) : null);
    });
    const opened = () => { isCut = false; retryMs = 500; showSign(); };
    heard('hello', opened);
    heard('beat', opened);
    heard('resync', () => { opened(); resync(); });
    heard('issue', onIssue);
    heard('tail', onTail);
    heard('counts', onCounts);
    heard('watch', (message) => {
      if (page.onWatch) page.onWatch(message);
      // The first deploy of a project makes another page of this one.
      else if (message.deploy) location.reload();
    });
    source.onerror = () => {
      source.close();
      isCut = true;
      showSign();
      clearTimeout(retryTimer);
      retryTimer = setTimeout(connect, retryMs);
      retryMs = Math.min(retryMs * 1.6, 8000);
    };
  };
  // Also after a night's sleep, when nobody closed anything.
  setInterval(() => { if (!isCut && Date.now() - lastWord > DEAD_MS) source.onerror(); }, 1000);
  window.addEventListener('pagehide', () => source && source.close());
  window.addEventListener('pageshow', (event) => { if (event.persisted) { body.dataset.seen = ''; connect(); } });
  window.addEventListener('online', connect);

  // ---- Catching up: fetch the page, at most every two seconds.
  let resyncing = null;
  let again = false;
  const resync = () => {
    if (resyncing) { again = true; return resyncing; }
    resyncing = (async () => {
      try {
        if (isHeld()) { wanted = true; showPill(); } else await page.refetch();
      } catch {
        again = true;
      }
      await new Promise((done) => setTimeout(done, 2000));
      resyncing = null;
      if (again) { again = false; resync(); }
    })();
    return resyncing;
  };

  // ---- Nothing jumps: while the pointer or the keyboard is in a list, rows wait behind the pill.
  let pointerIn = false;
  const areas = '#list, .lanes, .known, #tail';
  document.addEventListener('pointerover', (event) => {
    pointerIn = event.pointerType === 'mouse' && Boolean(event.target.closest && event.target.closest(areas));
  });
  document.documentElement.addEventListener('mouseleave', () => { pointerIn = false; });
  const keyboardIn = () => Boolean(document.activeElement && document.activeElement.closest(areas)
    && document.activeElement.matches(':focus-visible'));
  const isHeld = () => paused || pointerIn || keyboardIn() || Boolean(document.querySelector('#rows .choose:checked'));

  let wanted = false; // the page should be fetched when rows may move again
  const waiting = new Map(); // issue id -> message that changes the order
  const WAITING_MAX = 500;
  const wait = (message) => {
    if (waiting.size < WAITING_MAX) waiting.set(message.id, message); else wanted = true;
    showPill();
  };
  const showPill = () => {
    held = waiting.size;
    const pill = document.getElementById('pill');
    if (pill) {
      pill.hidden = held === 0 && !wanted;
      pill.lastElementChild.textContent = held ? `${held} new` : 'more';
    }
    const inLanes = isWatch ? page.waitingInLanes() : {};
    if (isWatch) held = Object.values(inLanes).reduce((sum, n) => sum + n, 0);
    for (const lanePill of document.querySelectorAll('[data-pill]')) {
      const size = isWatch ? inLanes[lanePill.dataset.pill] || 0 : [...waiting.values()].filter((message) => laneOf(message.status) === lanePill.dataset.pill).length;
      lanePill.hidden = size === 0;
      lanePill.textContent = `${size} waiting`;
    }
    showSign();
  };
  page.letIn = () => {
    const messages = [...waiting.values()];
    waiting.clear();
    if (isWatch) page.lanesChanged();
    else if (isLive) messages.forEach(place);
    if (!isLive || wanted) { wanted = false; page.refetch().catch(() => {}); }
    flushTail();
    showPill();
  };
  // A watched deploy has other rows, or another order of them.
  page.lanesChanged = () => {
    if (isHeld() && !isLettingIn) { showPill(); return; }
    if (page.settleLanes()) resync();
    showPill();
  };
  setInterval(() => { if ((waiting.size || held || wanted || tailWaiting.length) && !isHeld()) page.letIn(); }, 1000);
  let isLettingIn = false;
  document.addEventListener('click', (event) => {
    if (!event.target.closest('#pill, [data-pill]')) return;
    isLettingIn = true;
    page.letIn();
    isLettingIn = false;
  });

  // ---- Issues.
  const issuePage = document.querySelector('[data-issue-page]');
  const isWaiting = Boolean(document.querySelector('[data-waiting]'));
  const laneOf = (status) => ({ new: 'new', regressed: 'regressed', escalating: 'escalating', ongoing: 'known' })[status];
  const set = (root, name, text, hover) => {
    for (const element of root.querySelectorAll(`[data-live="${name}"]`)) {
      if (element.textContent !== text) element.textContent = text;
      if (hover) element.title = hover;
    }
  };
  const tick = (root, message) => {
    const users = `${page.short(message.users)}${isLive ? (message.users === 1 ? ' user' : ' users') : ''}`;
    set(root, 'events', page.short(message.events), `${message.events.toLocaleString('en')} events`);
    set(root, 'users', users);
    for (const who of root.querySelectorAll('[data-live="who"]')) if (who.innerHTML !== message.who) who.innerHTML = message.who;
    for (const last of root.querySelectorAll('[data-live="last"] time')) {
      last.dateTime = new Date(message.last).toISOString();
      last.textContent = page.words((Date.now() - message.last) / 1000, last.dataset.age);
    }
  };

  function onIssue(message) {
    if (isWaiting) { location.assign(`/issues/${message.id}`); return; }
    if (issuePage) { onThisIssue(message); return; }
    if (isLive) { arrive(message); return; }
    const row = document.querySelector(`[data-issue="${message.id}"]`);
    if (row) tick(row, message);
    // A row that is not here, or stands elsewhere now, comes with the next fetch of the list.
    if (!row || row.dataset.status !== message.status) {
      wait(message);
      // A moment later, so that a burst is one fetch; the timer of the pill comes for what is left.
      if (!isHeld() && !resyncing) setTimeout(() => { if (!isHeld() && waiting.size) { waiting.clear(); wanted = false; resync(); showPill(); } }, 200);
    }
  }

  let shown = null;
  function onThisIssue(message) {
    const events = document.querySelector('.facts [data-live="events"]');
    if (shown === null) shown = Number((events.title || events.textContent).replace(/[^0-9]/g, ''));
    const more = Math.max(0, message.events - shown);
    shown = message.events;
    tick(document.querySelector('.facts'), message);
    const chart = page.updateChart(document.getElementById('histogram'), (counts) => {
      counts[counts.length - 1] += more;
      return more > 0;
    });
    if (chart) set(document, 'in-range', page.short(chart.counts.reduce((sum, n) => sum + n, 0)));
    const pill = document.getElementById('newer-pill');
    if (pill && more > 0) {
      pill.dataset.count = Number(pill.dataset.count || 0) + more;
      pill.textContent = `${page.short(Number(pill.dataset.count))} newer`;
      pill.hidden = false;
    }
    const status = issuePage.dataset.status || message.status;
    issuePage.dataset.status = message.status;
    const assignee = issuePage.dataset.assignee;
    issuePage.dataset.assignee = message.assignee || '';
    if (status !== message.status || assignee !== issuePage.dataset.assignee) {
      page.refetch((id) => ['issue-head', 'histogram-place', 'dock', 'activity', 'why-regressed'].includes(id)).catch(() => {});
    }
  }

  // ---- Lanes of the live view. What arrives is drawn at once when it is quiet, and else four times a second: of each issue
  // the last message, of each bar the last count, of the tail the newest lines.
  const arrived = new Map();
  const counted = new Map();
  let lastFrame = 0;
  let frameTimer = null;
  let isCalm = true; // in a storm nothing fades in: the page would do nothing else
  const soon = () => {
    if (!frameTimer) frameTimer = setTimeout(frame, Math.max(0, lastFrame + FRAME_MS - performance.now()));
  };
  const arrive = (message) => {
    // The last message comes last: rows are placed in the order in which they change.
    arrived.delete(message.id);
    arrived.set(message.id, message);
    if (arrived.size > WAITING_MAX) arrived.delete(arrived.keys().next().value);
    soon();
  };
  function frame() {
    frameTimer = null;
    isCalm = performance.now() - lastFrame > CALM_MS;
    lastFrame = performance.now();
    for (const message of arrived.values()) onLane(document.querySelector(`[data-issue="${message.id}"]`), message);
    arrived.clear();
    if (counted.size) drawCounts();
    if (!isHeld()) flushTail();
  }
  function onLane(row, message) {
    // Which lane it belongs to is told by the feed of the deploy.
    if (isWatch) { if (row) replace(row, message); return; }
    const lane = laneOf(message.status);
    const inLane = row && row.closest('[data-lane]').dataset.lane;
    if (row && inLane === lane) { replace(row, message); return; }
    if (message.status === 'new' && !row && !waiting.has(message.id)) { news += document.hidden ? 1 : 0; }
    if (isHeld()) { wait(message); return; }
    place(message);
  }
  const made = (html) => {
    const template = document.createElement('template');
    template.innerHTML = html;
    page.localise(template.content);
    return template.content.firstElementChild;
  };
  const replace = (row, message) => {
    const young = made(message.row);
    // Only what changes: the link keeps its focus and the pointer its row.
    row.classList.toggle('done', young.classList.contains('done'));
    for (const part of ['.figures', '.spark', '.whose']) {
      const [old, fresh] = [row.querySelector(part), young.querySelector(part)];
      if (old && fresh && old.outerHTML !== fresh.outerHTML) old.replaceWith(fresh);
    }
  };
  const LANE_ROWS_MAX = { new: 20, regressed: 20, escalating: 20, known: 8 };
  function place(message) {
    const lane = laneOf(message.status);
    const old = document.querySelector(`[data-issue="${message.id}"]`);
    if (old) old.remove();
    const list = lane && document.getElementById(`lane-${lane}`);
    if (list && message.row) {
      const row = made(message.row);
      row.classList.toggle('arrived', isCalm);
      list.prepend(row);
      while (list.children.length > LANE_ROWS_MAX[lane]) list.lastElementChild.remove();
    }
    countLanes();
  }
  const countLanes = () => {
    for (const lane of document.querySelectorAll('[data-lane]')) {
      const size = lane.querySelectorAll('[data-issue]').length;
      lane.dataset.size = size;
      for (const element of document.querySelectorAll(`[data-size-of="${lane.dataset.lane}"]`)) element.textContent = size;
    }
  };
  page.onSwap(() => { if (isLive && !isWatch) countLanes(); });

  // ---- The bars of the chart, and the raw tail.
  let tailWaiting = [];
  function onTail(message) {
    if (!isLive) return;
    tailWaiting = message.rows.concat(tailWaiting).slice(0, 20);
    soon();
  }
  function onCounts(message) {
    if (!isLive || isWatch) return;
    for (const [bucket, events] of message.counts) counted.set(bucket, events);
    soon();
  }
  function drawCounts() {
    const chart = page.updateChart(document.getElementById('chart'), (counts, index) => {
      for (const [bucket, events] of counted) {
        const at = index(bucket);
        if (at >= 0 && at < counts.length) counts[at] = events;
      }
      return true;
    });
    counted.clear();
    // The narrow one is the same in bars of 30 s.
    page.updateChart(document.getElementById('chart-narrow'), (counts, index) => {
      counts.fill(0);
      chart.counts.forEach((n, at) => {
        const bar = index(chart.start + at * chart.span);
        if (bar >= 0 && bar < counts.length) counts[bar] += n;
      });
      return true;
    });
    showFigures(chart);
  }
  const showFigures = (chart) => {
    if (!chart) return;
    const minute = chart.counts.slice(-6).reduce((sum, n) => sum + n, 0);
    const element = document.getElementById('a-minute');
    element.textContent = page.short(minute);
    element.classList.toggle('loud', Number(element.dataset.usual) >= 0 && 'usual' in element.dataset && minute > Math.max(1, Number(element.dataset.usual)) * 3);
    document.getElementById('half-hour').textContent = page.short(chart.counts.reduce((sum, n) => sum + n, 0));
  };
  const flushTail = () => {
    const tail = document.getElementById('tail');
    if (!tail || !tailWaiting.length) return;
    for (const html of [...tailWaiting].reverse()) {
      const row = made(html);
      if (tail.querySelector(`[data-event="${row.dataset.event}"]`)) continue;
      const environment = isWatch && document.getElementById('watch-head').dataset.environment;
      if (environment && row.dataset.environment && row.dataset.environment !== environment) continue;
      row.classList.toggle('arrived', isCalm);
      tail.prepend(row);
    }
    while (tail.children.length > 20) tail.lastElementChild.remove();
    tailWaiting = [];
    const quiet = document.getElementById('tail-quiet');
    if (quiet) quiet.remove();
  };
  // The window moves on although nothing comes in.
  if (isLive && !isWatch) setInterval(() => { if (!document.hidden && !isCut) drawCounts(); }, 5000);

  // ---- Pause.
  const pause = document.getElementById('pause');
  if (pause) {
    pause.hidden = false;
    pause.addEventListener('click', () => {
      paused = !paused;
      pause.textContent = paused ? 'Go on' : 'Pause';
      pause.setAttribute('aria-pressed', String(paused));
      if (!paused) page.letIn(); else showPill();
    });
  }

  connect();
})();

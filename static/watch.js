// A watched deploy: puts the parts that its feed sends in their places, keeps the lanes in order, and tells in the title, by
// a sound or a notice, if one wants that, when the verdict changes.
(() => {
  'use strict';
  const page = window.firefinch;
  const root = document.querySelector('[data-watch]');
  if (!root) return;
  const ORDER_MS = 5000; // rows change places at most that often
  const SIGNS = { bad: '✘', watch: '▲', good: '✔', too_early: '…' };

  // ---- Parts: replaced when they say something else, and nobody is in them.
  const last = new Map();
  const show = (parts) => {
    for (const [id, html] of Object.entries(parts)) {
      const old = document.getElementById(id);
      if (!old || last.get(id) === html || old.contains(document.activeElement)) continue;
      const template = document.createElement('template');
      template.innerHTML = html;
      page.localise(template.content);
      old.replaceWith(template.content.firstElementChild);
      last.set(id, html);
    }
  };
  page.onSwap(() => last.clear());

  // ---- The chart.
  const bars = (message) => {
    const wide = page.updateStack(document.getElementById('stack'), message);
    if (!wide) return;
    const coarse = new Map();
    wide.parts.forEach((part, index) => {
      const at = Math.floor((wide.start + index * wide.span) / 30) * 30;
      const sum = coarse.get(at) || [0, 0, 0];
      coarse.set(at, sum.map((n, of) => n + part[of]));
    });
    page.updateStack(document.getElementById('stack-narrow'), [...coarse]);
  };
  // The window moves on although nothing comes in.
  setInterval(() => { if (!document.hidden && !page.isCut()) bars([]); }, 5000);

  const inLane = () => new Set([...root.querySelectorAll('#lane-new [data-issue]')].map((row) => Number(row.dataset.issue)));
  let known = inLane();
  let grade = document.getElementById('watch-said').dataset.grade;
  let baseTitle = document.title;

  // ---- Lanes. What is new comes at once, unless somebody reads; places change only now and then.
  const made = (html) => {
    const template = document.createElement('template');
    template.innerHTML = html;
    page.localise(template.content);
    return template.content.firstElementChild;
  };
  let wanted = null; // the lanes as the server has them
  let rows = {};
  let orderedAt = 0;
  const rowOf = (id) => root.querySelector(`#rows [data-issue="${id}"]`);
  const count = () => {
    for (const lane of root.querySelectorAll('#rows [data-lane]')) {
      const size = wanted ? wanted[lane.dataset.lane].length : lane.querySelectorAll('[data-issue]').length;
      lane.dataset.size = size;
      for (const element of root.querySelectorAll(`[data-size-of="${lane.dataset.lane}"]`)) element.textContent = size;
    }
  };
  const waiting = () => {
    const sizes = {};
    for (const [lane, ids] of Object.entries(wanted || {})) {
      const list = document.getElementById(`lane-${lane}`);
      sizes[lane] = ids.filter((id) => { const row = rowOf(id); return !row || row.parentElement !== list; }).length;
    }
    return sizes;
  };
  // Brings the lists to what is wanted; true when a row was missing that nobody sent.
  const settle = () => {
    let isMissing = false;
    const mayOrder = Date.now() - orderedAt > ORDER_MS;
    for (const [lane, ids] of Object.entries(wanted)) {
      const list = document.getElementById(`lane-${lane}`);
      for (const row of [...list.children]) {
        if (!ids.includes(Number(row.dataset.issue)) && !Object.values(wanted).some((other) => other.includes(Number(row.dataset.issue)))) row.remove();
      }
      ids.forEach((id, place) => {
        let row = rowOf(id);
        if (!row && rows[id]) {
          row = made(rows[id]);
          row.classList.add('arrived');
        }
        if (!row) { isMissing = true; return; }
        if (row.parentElement !== list) list.insertBefore(row, list.children[place] || null);
        else if (mayOrder && list.children[place] !== row) list.insertBefore(row, list.children[place] || null);
      });
    }
    if (mayOrder) orderedAt = Date.now();
    return isMissing;
  };
  page.settleLanes = () => {
    if (!wanted) return false;
    const isMissing = settle();
    count();
    return isMissing;
  };
  page.waitingInLanes = waiting;
  page.onSwap((fresh) => {
    wanted = null;
    rows = {};
    const said = document.getElementById('watch-said');
    if (!said || !fresh.querySelector('[data-watch]')) return;
    baseTitle = fresh.title;
    if (grade !== said.dataset.grade) grade = said.dataset.grade;
    known = inLane();
    page.setTitle(known.size, `${SIGNS[grade]} ${baseTitle}`, grade);
  });

  // ---- Title, sound and notice: only when the verdict changes or an issue is new.
  const wish = (name) => document.getElementById(`wish-${name}`);
  let audio = null;
  const beep = (isBad) => {
    if (!audio || audio.state !== 'running') return;
    const [tone, level] = [audio.createOscillator(), audio.createGain()];
    tone.frequency.value = isBad ? 440 : 660;
    level.gain.setValueAtTime(0.08, audio.currentTime);
    level.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.4);
    tone.connect(level).connect(audio.destination);
    tone.start();
    tone.stop(audio.currentTime + 0.4);
  };
  const tell = (text, isBad) => {
    if (wish('sound') && wish('sound').checked) beep(isBad);
    if (wish('notice') && wish('notice').checked && window.Notification && Notification.permission === 'granted') {
      new Notification(baseTitle, { body: text, tag: 'firefinch-watch' });
    }
  };
  const announce = (message) => {
    const fresh = message.lanes.new.filter((id) => !known.has(id));
    fresh.forEach((id) => known.add(id));
    const said = document.getElementById('watch-said');
    if (message.grade && message.grade !== grade) {
      grade = message.grade;
      tell(`${said.dataset.word}: ${said.querySelector('.said span').textContent}`, grade === 'bad');
    } else if (fresh.length) {
      const row = rows[fresh[0]] && made(rows[fresh[0]]);
      tell(row ? `New: ${row.querySelector('.row-title').textContent}` : `${fresh.length} new issues`, false);
    }
    page.setTitle(message.lanes.new.length, `${SIGNS[grade]} ${baseTitle}`, grade);
  };
  // What one wishes is kept in the browser, as it is about this screen.
  for (const name of ['sound', 'notice']) {
    const box = wish(name);
    if (!box || (name === 'notice' && !window.Notification)) continue;
    box.parentElement.hidden = false;
    try { box.checked = localStorage.getItem(`watch-${name}`) === '1'; } catch { /* Then it is wished anew. */ }
    box.addEventListener('change', async () => {
      try { localStorage.setItem(`watch-${name}`, box.checked ? '1' : '0'); } catch { /* As above. */ }
      if (name === 'notice' && box.checked && Notification.permission !== 'granted') {
        box.checked = (await Notification.requestPermission()) === 'granted';
      }
    });
  }
  // A browser lets a page sound only after somebody touched it.
  document.addEventListener('pointerdown', () => {
    if (wish('sound') && !audio) audio = new AudioContext();
    if (audio) audio.resume();
  });

  // ---- What the feed sends.
  let following = false;
  const follow = async (message) => {
    if (!message.deploy) { location.reload(); return; }
    if (following) return;
    following = true;
    await page.refetch().catch(() => {});
    following = false;
  };
  page.onWatch = (message) => {
    const shown = document.getElementById('watch-head').dataset.deploy;
    if (String(message.deploy || '') !== shown) { follow(message); return; }
    show(message.parts);
    if (!message.grade) return;
    bars(message.bars);
    wanted = message.lanes;
    rows = message.rows;
    announce(message);
    page.lanesChanged();
  };
  page.setTitle(known.size, `${SIGNS[grade]} ${baseTitle}`, grade);
})();

// What every page does: fetch itself again without a jump, copy, switch the theme, close menus, toast.
(() => {
  'use strict';
  const { localise } = window.firefinch;
  const page = window.firefinch;

  // ---- Swapping: parts of the page with an id in SWAP are replaced by those of a fetched page.
  const SWAP = ['issues-top', 'list', 'issue-head', 'live-numbers', 'live-chart', 'lane-new', 'lane-regressed',
    'lane-known', 'tail', 'lane-escalating', 'watch-head', 'head-new', 'watch-said', 'watch-chart', 'watch-legend', 'watch-known', 'watch-fixes', 'messenger',
    'page-name', 'toast-place', 'histogram-place', 'listening', 'shown-count', 'dock', 'changes', 'regroup-ways', 'question-place', 'why-regressed', 'owners', 'activity'];
  const afterSwap = [];
  page.onSwap = (handler) => afterSwap.push(handler);

  // A part was left as it is, because a menu in it is open.
  let isBehind = false;

  const swap = (text, only, isAnswer) => {
    const fresh = new DOMParser().parseFromString(text, 'text/html');
    const active = document.activeElement;
    const focused = active && active.id;
    // The entry of a menu that a key pressed is gone afterwards: the keyboard goes on at the head of the issue.
    const wasActing = active && active.matches(':focus-visible') && active.closest('#issue-head, #question-place, #activity, #dock');
    for (const id of SWAP) {
      const [old, young] = [document.getElementById(id), fresh.getElementById(id)];
      if (!old || !young || (only && !only(id))) continue;
      // What a person is typing is theirs.
      if (id === 'issues-top' && old.contains(document.activeElement)) continue;
      if (id === 'activity' && old.querySelector('textarea') && old.querySelector('textarea').value) continue;
      // So is what they have open, unless this answers what they chose there.
      if (!isAnswer && old.querySelector('details.menu[open]')) {
        isBehind = true;
        continue;
      }
      old.replaceWith(document.adoptNode(young));
      localise(young);
    }
    document.body.dataset.seen = fresh.body.dataset.seen || document.body.dataset.seen;
    if (focused && document.getElementById(focused)) document.getElementById(focused).focus({ preventScroll: true });
    else if (wasActing && !active.isConnected) {
      const first = document.querySelector('#resolve, #reopen');
      if (first) first.focus({ preventScroll: true });
    }
    enhance(document);
    afterSwap.forEach((handler) => handler(fresh));
  };

  // A form was sent whose answer is another page: this one may have no content any more.
  let isLeaving = false;

  // Fetches this page again; a signed-out person lands at the door.
  page.refetch = async (only) => {
    if (isLeaving) return;
    const response = await fetch(location.href, { headers: { accept: 'text/html' }, cache: 'no-store' });
    if (response.redirected && new URL(response.url).pathname === '/sign-in') {
      location.assign(response.url);
      return;
    }
    if (!response.ok) throw new Error(`status ${response.status}`);
    swap(await response.text(), only);
  };

  document.addEventListener('toggle', (event) => {
    if (!isBehind || event.target.open || !event.target.matches('details.menu')) return;
    isBehind = false;
    page.refetch().catch(() => {});
  }, true);

  // ---- Changes that run in the background: their part of the page is fetched again until they are done.
  const look = async () => {
    if (document.querySelector('#changes[data-again]')) {
      await page.refetch((id) => ['changes', 'regroup-ways', 'issue-head'].includes(id)).catch(() => {});
    }
    setTimeout(look, 1500);
  };
  setTimeout(look, 1500);

  // ---- Forms that change issues stay on the page.
  document.addEventListener('submit', async (event) => {
    const form = event.target;
    const path = new URL(form.action).pathname;
    if (form.method !== 'post' || !(path === '/issues' || /^\/issues\/\d+\/comments$/.test(path))) return;
    event.preventDefault();
    const data = new URLSearchParams(new FormData(form, event.submitter || undefined));
    isLeaving = (data.get('back') || location.pathname).split('?')[0] !== location.pathname;
    // What was typed is said once it was taken.
    const typed = form.querySelector('textarea');
    try {
      const response = await fetch(path, { method: 'POST', body: data });
      if (!response.ok) throw new Error(String(response.status));
      // An answer about another page is that page; its message is still to be said there.
      const there = new URL(response.url);
      if (there.pathname !== location.pathname) { location.assign(there); return; }
      if (there.search !== location.search) history.replaceState(null, '', there);
      if (typed) typed.value = '';
      swap(await response.text(), null, true);
    } catch {
      isLeaving = false;
      // The browser's own way, which shows the refusal; it leaves out the button, so that is added.
      if (event.submitter) {
        const pressed = Object.assign(document.createElement('input'), { type: 'hidden', name: event.submitter.name, value: event.submitter.value });
        form.append(pressed);
      }
      HTMLFormElement.prototype.submit.call(form);
    }
  });

  // ---- Toast: stays eight seconds, longer while looked at.
  let toastTimer;
  const armToast = () => {
    clearTimeout(toastTimer);
    const toast = document.getElementById('toast');
    if (!toast) return;
    toastTimer = setTimeout(() => {
      if (toast.matches(':hover, :focus-within')) armToast();
      else toast.remove();
    }, 8000);
  };

  // ---- Copy buttons appear only where they work.
  const enhance = (root) => {
    for (const button of root.querySelectorAll('[data-copy][hidden]')) {
      button.hidden = !navigator.clipboard;
    }
    armToast();
  };
  const copy = async (text, button) => {
    await navigator.clipboard.writeText(text);
    const label = [...button.childNodes].reverse().find((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!label || button.dataset.said) return;
    const before = label.data;
    button.dataset.said = '1';
    label.data = 'Copied';
    setTimeout(() => { label.data = before; delete button.dataset.said; }, 1500);
  };
  page.copyMarkdown = async () => {
    const link = document.querySelector('[data-copy-from]');
    if (!link || !navigator.clipboard) return;
    const response = await fetch(link.dataset.copyFrom);
    if (response.ok) await copy(await response.text(), link);
  };
  document.addEventListener('click', (event) => {
    const button = event.target.closest('[data-copy]');
    if (button) copy(button.dataset.copy, button);
    if (event.target.closest('[data-copy-from]') && navigator.clipboard) {
      event.preventDefault();
      page.copyMarkdown();
    }
    // A menu closes when something else is pressed.
    for (const menu of document.querySelectorAll('details.menu[open]')) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener('keydown', (event) => {
    const menu = document.querySelector('details.menu[open]');
    if (!menu) return;
    if (event.key === 'Escape') {
      menu.open = false;
      menu.querySelector('summary').focus();
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.target.matches('select, input[type=number]')) return;
    event.preventDefault();
    const entries = [...menu.querySelectorAll('a[href], button, input:not([type=hidden]), select')].filter((one) => one.checkVisibility());
    const at = entries.indexOf(document.activeElement);
    const next = at < 0 && step < 0 ? entries.length - 1 : at + step;
    if (entries.length) entries[(next + entries.length) % entries.length].focus();
  });

  // ---- Theme: at once, and kept.
  document.addEventListener('click', (event) => {
    const button = event.target.closest('button[name="theme"]');
    if (!button || button.value === 'system') return;
    event.preventDefault();
    document.documentElement.dataset.theme = button.value;
    const secure = location.protocol === 'https:' ? '; secure' : '';
    document.cookie = `theme=${button.value}; path=/; max-age=31536000; samesite=lax${secure}`;
  });

  // ---- Choosing rows. What is chosen stays so on the other pages of the same list, as long as the tab is open.
  const BULK_MAX = 500; // as many as the server changes at once
  const place = () => {
    const address = new URLSearchParams(location.search);
    ['after', 'before', 'range', 'sort'].forEach((name) => address.delete(name));
    return `chosen ${location.pathname}?${address}`;
  };
  const read = () => {
    try { return new Set(JSON.parse(sessionStorage.getItem(place()) || '[]')); } catch { return new Set(); }
  };
  const keep = (ids) => {
    try {
      if (ids.size) sessionStorage.setItem(place(), JSON.stringify([...ids].slice(0, BULK_MAX)));
      else sessionStorage.removeItem(place());
    } catch { /* A browser that keeps nothing chooses on one page. */ }
  };
  const boxes = () => [...document.querySelectorAll('#rows .choose')];
  const showChosen = () => {
    const ids = read();
    const all = boxes();
    for (const box of all) {
      if (box.checked) ids.add(box.value);
      else ids.delete(box.value);
    }
    if (document.getElementById('bulk')) keep(ids);
    const here = all.filter((box) => box.checked).length;
    const head = document.getElementById('choose-all');
    const label = document.getElementById('chosen');
    const elsewhere = ids.size - here;
    if (label) label.textContent = `${ids.size} chosen${elsewhere > 0 ? `, ${elsewhere} on other pages` : ''}`;
    const list = document.getElementById('list');
    if (list) list.classList.toggle('has-chosen', ids.size > 0);
    if (head) {
      head.checked = here > 0 && here === all.length;
      head.indeterminate = here > 0 && here < all.length;
    }
  };
  const restoreChosen = () => {
    const ids = read();
    boxes().forEach((box) => { if (ids.has(box.value)) box.checked = true; });
    showChosen();
  };
  document.addEventListener('change', (event) => {
    if (event.target.id === 'choose-all') boxes().forEach((box) => { box.checked = event.target.checked; });
    if (event.target.matches('.choose')) showChosen();
  });
  document.addEventListener('click', (event) => {
    if (event.target.id !== 'unchoose') return;
    boxes().forEach((box) => { box.checked = false; });
    keep(new Set());
    showChosen();
  });
  // Before the form is read: those of other pages go with it, and are chosen no more.
  document.addEventListener('submit', (event) => {
    // Not `.id`: the boxes of the form are called so.
    if (event.target.getAttribute('id') !== 'bulk') return;
    const here = new Set(boxes().map((box) => box.value));
    event.target.querySelectorAll('[data-elsewhere]').forEach((field) => field.remove());
    for (const id of read()) {
      if (here.has(id)) continue;
      const field = Object.assign(document.createElement('input'), { type: 'hidden', name: 'id', value: id });
      field.dataset.elsewhere = '';
      event.target.append(field);
    }
    keep(new Set());
  }, true);
  page.showChosen = showChosen;
  page.restoreChosen = restoreChosen;
  restoreChosen();

  enhance(document);
})();

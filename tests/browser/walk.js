// Walking a page as those do who use no mouse, or no script: nothing that can be done is out of their reach.
const TABS_MAX = 600;

// What one can act on, of a page as it stands: what is folded away, hidden or switched off is not there.
const REACHABLE = `(() => {
  const ways = 'a[href], button, input:not([type=hidden]), select, textarea, summary';
  const isThere = (element) => {
    if (element.disabled || element.tabIndex < 0) return false;
    // Of radio buttons the keyboard enters the group: at the chosen one, or at the first.
    if (element.type === 'radio') {
      const group = [...document.getElementsByName(element.name)].filter((other) => other.form === element.form && !other.disabled);
      if (element !== (group.find((other) => other.checked) || group[0])) return false;
    }
    return element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;
  };
  return [...document.querySelectorAll(ways)].filter(isThere);
})()`;

const NAME = `((element) => (element.getAttribute('aria-label') || element.textContent || element.name || element.outerHTML).trim().slice(0, 40) + ' <' + element.tagName.toLowerCase() + (element.id ? '#' + element.id : '') + '>')`;

// What the Tab key does not reach, and where one could not see where one is.
export async function byKeyboard(page) {
  await page.evaluate(`(() => {
    window.walked = { met: new Set(), unseen: [], ended: false };
    const hasRing = (element) => element && getComputedStyle(element).outlineStyle !== 'none' && parseFloat(getComputedStyle(element).outlineWidth) >= 2;
    document.addEventListener('focusin', ({ target }) => {
      if (window.walked.met.has(target)) { window.walked.ended = true; return; }
      window.walked.met.add(target);
      // A row is outlined as a whole, and so is a field with what belongs to it.
      const rings = [target, target.closest('[data-issue], .copy-line, form, label')];
      const box = target.getBoundingClientRect();
      const isOn = box.bottom > 0 && box.top < innerHeight;
      if (!rings.some(hasRing) || !isOn) window.walked.unseen.push(${NAME}(target));
    });
  })()`);
  for (let tab = 0; tab < TABS_MAX; tab += 10) {
    for (let key = 0; key < 10; key += 1) await page.keyboard.press("Tab");
    if (await page.evaluate("window.walked.ended || !document.hasFocus()")) break;
  }
  return page.evaluate(`[
    ...${REACHABLE}.filter((element) => !window.walked.met.has(element)).map((element) => 'out of reach: ' + ${NAME}(element)),
    ...window.walked.unseen.map((name) => 'focus cannot be seen: ' + name),
  ]`);
}

// What stands on a page without script and would do nothing there.
export async function withoutScript(page) {
  return page.evaluate(`[
    ...${REACHABLE}.filter((element) => element.matches('button') && (element.type === 'button' || !element.form)).map((element) => 'does nothing: ' + ${NAME}(element)),
    ...(document.querySelector('main') && document.querySelector('main').innerText.trim().length > 20 ? [] : ['the page is empty']),
  ]`);
}

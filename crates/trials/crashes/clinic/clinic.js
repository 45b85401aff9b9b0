'use strict';
// A clinic that fails in many ways: `run(bug, n)` fails as bug number `bug` with input `n`.
const { EventEmitter } = require('events');

class ClinicError extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.name = 'ClinicError';
    this.code = code;
  }
}

const reject = (code, message) => {
  throw new ClinicError(code, message);
};

class Ward {
  #beds = [];

  get free() {
    return this.#beds.filter((bed) => bed.free).at(0).number;
  }

  static of(patient) {
    return patient.stay.ward;
  }

  admit(patient) {
    return this.#beds.find((bed) => bed.number === patient).label;
  }
}

// EDIT-CALLEES
function* rounds(patients) {
  for (const patient of patients) yield patient.chart.pulse;
}

const doses = (list) => list.map(({ amount, unit }) => amount.toFixed(unit));

function birthday(text) {
  return new Date(text).toISOString();
}

function transfer(n) {
  if (n % 2) throw new ClinicError(409, `patient ${n} is already in another ward`);
  throw new ClinicError(423, `ward of ${n} is locked`);
}

function orderDrug(n) {
  reject(404, `drug ${n} is not in the list`);
}

function orderScan(n) {
  reject(503, `scanner ${n} has no slot today`);
}

async function page(doctor) {
  await null;
  return doctor.phone.number;
}

const pageAll = (doctors) => Promise.all(doctors.map(page));

function bill(n) {
  try {
    return BigInt(n) / BigInt(n - n);
  } catch (cause) {
    throw new ClinicError(422, `bill ${n} cannot be split`, { cause });
  }
}

function listen(n) {
  const bell = new EventEmitter();
  bell.on('ring', (call) => call.room.open());
  bell.emit('ring', { n });
}

function loop() {
  const chart = {};
  chart.self = chart;
  return JSON.stringify(chart);
}

function seal(n) {
  const record = Object.freeze({ n });
  record.n = n + 1;
}

const shift = (n) => 'x'.repeat(-n);

// EDIT-CALLER
async function handle(bug, n) {
  const work = {
    'ward-free': () => new Ward().free,
    'ward-of': () => Ward.of({ n }),
    'ward-admit': () => new Ward().admit(n),
    'rounds-chart': () => [...rounds([{ n }])],
    'doses-amount': () => doses([{ amount: 'x', unit: n }]),
    'doses-digits': () => doses([{ amount: n, unit: 200 }]),
    'birthday-date': () => birthday(`day-${n}-of-nothing`),
    'transfer-other': () => transfer(2 * n + 1),
    'transfer-locked': () => transfer(2 * n),
    'drug-reject': () => orderDrug(n),
    'scan-reject': () => orderScan(n),
    'page-phone': () => pageAll([{ n }]),
    'bill-cause': () => bill(n),
    'bell-room': () => listen(n),
    'chart-loop': () => loop(),
    'record-frozen': () => seal(n),
    'shift-negative': () => shift(n),
  }[bug];
  return await work();
}

module.exports.run = (bug, n) => handle(bug, n);

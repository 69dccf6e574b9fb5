// The page works without this script. With it, tables and figures change in place once a second, without a new page.

const every = 1000 // milliseconds
const points = 120 // of a chart
const live = document.getElementById('live')
const tables = document.getElementById('tables')
const history = { rate: [], lag: [] }

const number = (n) => (n > 0 && n < 10 ? n.toFixed(1) : Math.round(n).toLocaleString('en'))

// change makes the children of one element those of another, and keeps elements that are alike, and with them focus and selection.
function change(to, from) {
  const old = [...to.childNodes]
  const next = [...from.childNodes]
  next.forEach((node, i) => {
    const there = old[i]
    if (!there) to.append(node)
    else if (there.nodeName !== node.nodeName) there.replaceWith(node)
    else if (node.nodeType === Node.TEXT_NODE) {
      if (there.data !== node.data) there.data = node.data
    } else if (node.nodeType === Node.ELEMENT_NODE) {
      for (const { name } of [...there.attributes]) if (!node.hasAttribute(name)) there.removeAttribute(name)
      for (const { name, value } of node.attributes) if (there.getAttribute(name) !== value) there.setAttribute(name, value)
      change(there, node)
    }
  })
  old.slice(next.length).forEach((node) => node.remove())
}

function set(element, text) {
  if (element.textContent !== text) element.textContent = text
}

// figures writes the figures of boxes and arrows into the graph.
function figures(group) {
  for (const box of document.querySelectorAll('#graph a[data-box]')) {
    const f = group.figures[box.dataset.box]
    if (!f) continue
    const rate = box.dataset.class === 'topic' && f.per_second === 0 ? f.in_per_second : f.per_second
    let text = number(rate) + '/s'
    if (f.failed > 0) text += ' ' + number(f.failed) + ' err'
    if (f.lag > 0) text += ' lag ' + number(f.lag)
    set(box.querySelector('.figures'), text)
    box.classList.toggle('failing', f.failed > 0)
    box.classList.toggle('flows', rate > 0)
  }
  for (const label of document.querySelectorAll('#graph .rate')) {
    const from = group.figures[label.dataset.from]
    const to = group.figures[label.dataset.to]
    let rate = 0
    if (label.dataset.from.startsWith('t')) rate = from?.per_second ?? 0 // records that leave a topic
    else if (label.dataset.to.startsWith('t')) rate = to?.in_per_second ?? 0
    else if (only(label.dataset.to)) rate = to?.per_second ?? 0
    set(label, rate > 0 ? number(rate) : '')
  }
}

// only tells whether one arrow alone goes to a box: the rate of the box is that of the arrow then.
const arrows = new Map()
for (const label of document.querySelectorAll('#graph .rate')) arrows.set(label.dataset.to, (arrows.get(label.dataset.to) ?? 0) + 1)
const only = (box) => arrows.get(box) === 1

// charts draws the rate and the lag of the last two minutes.
function charts(group) {
  const sum = (of) => group.members.reduce((all, m) => all + of(m), 0)
  history.rate.push(sum((m) => Object.values(m.rates.tasks ?? {}).reduce((a, b) => a + b, 0)))
  history.lag.push(sum((m) => (m.status.tasks ?? []).reduce((all, t) => all + t.lag, 0)))
  const place = document.getElementById('charts')
  for (const [name, title, unit] of [['rate', 'Records per second', '/s'], ['lag', 'Lag in records', '']]) {
    const values = history[name].splice(0, Math.max(0, history[name].length - points)) && history[name]
    let figure = document.getElementById('chart-' + name)
    if (!figure) {
      figure = document.createElement('figure')
      figure.id = 'chart-' + name
      figure.append(document.createElement('figcaption'))
      const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
      for (const [key, value] of Object.entries({ width: 240, height: 48, viewBox: '0 0 240 48', 'aria-hidden': 'true' })) svg.setAttribute(key, value)
      const line = document.createElementNS(svg.namespaceURI, 'line')
      for (const [key, value] of Object.entries({ x1: 0, x2: 240, y1: 47, y2: 47 })) line.setAttribute(key, value)
      svg.append(line, document.createElementNS(svg.namespaceURI, 'polyline'))
      figure.append(svg)
      place.append(figure)
    }
    const most = Math.max(1, ...values)
    set(figure.firstChild, `${title}: ${number(values.at(-1))}${unit}, at most ${number(most === 1 ? Math.max(...values) : most)}`)
    figure.querySelector('polyline').setAttribute('points', values.map((v, i) => `${(i * 240) / (points - 1)},${46 - (44 * v) / most}`).join(' '))
  }
  place.hidden = false
}

async function ask(path) {
  const answer = await fetch(path, { cache: 'no-store' })
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}`)
  return answer
}

async function update() {
  try {
    const [group, html] = await Promise.all([ask('group.json').then((a) => a.json()), ask('tables').then((a) => a.text())])
    change(tables, new DOMParser().parseFromString(`<div>${html}</div>`, 'text/html').body.firstChild)
    figures(group)
    charts(group)
    set(live, 'live')
    live.classList.remove('bad')
  } catch (error) {
    set(live, 'no answer: figures are old')
    live.classList.add('bad')
  }
}

// run updates while somebody sees the page.
async function run() {
  for (;;) {
    if (!document.hidden) await update()
    await new Promise((done) => setTimeout(done, every))
  }
}

const controls = document.getElementById('controls')
if (controls) {
  controls.hidden = false
  controls.addEventListener('submit', async (event) => {
    event.preventDefault()
    const { scope, reason, token } = controls.elements
    const action = event.submitter.value
    const body = {}
    if (scope.value) body.sub_topology = scope.value
    if (action === 'pause' && reason.value) body.reason = reason.value
    const output = document.getElementById('answer')
    output.textContent = 'asking'
    try {
      const answer = await fetch(action, {
        method: 'POST', body: JSON.stringify(body), headers: { Authorization: 'Bearer ' + token.value, 'Content-Type': 'application/json' },
      })
      output.textContent = answer.status === 204 ? (action === 'pause' ? 'paused' : 'resumed') : await answer.text()
    } catch (error) {
      output.textContent = 'no answer'
    }
    update()
  })
}

run()

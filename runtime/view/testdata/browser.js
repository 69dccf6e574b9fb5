// Looks at pages in Chromium. Arguments: a JSON object with the addresses of pages, by what is to be seen on them, and a folder for screenshots, empty for none.
// It prints one line for each fault, and nothing if there is none. Commands to the test go to the standard error: it answers by acting.
const { chromium } = require('playwright-core')
const axe = require('axe-core')

const { pages, screenshots, token } = JSON.parse(process.argv[2])
const patience = 20000

async function main() {
  const environment = { ...process.env }
  if (process.env.WEIR_TEST_CHROMIUM_LIBRARIES) environment.LD_LIBRARY_PATH = process.env.WEIR_TEST_CHROMIUM_LIBRARIES
  const browser = await chromium.launch({
    executablePath: process.env.WEIR_TEST_CHROMIUM, env: environment,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1'],
  })
  try {
    for (const [name, address] of Object.entries(pages)) {
      await look(browser, name, address)
    }
    await controls(browser, pages.running)
    await withoutScripts(browser, pages.running)
  } finally {
    await browser.close()
  }
}

function fault(...words) { console.log(words.join(' ')) }

// open opens a page, and reports each error of the console, of scripts and of requests, and each request that leaves the loopback interface.
async function open(browser, name, address, options) {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  page.setDefaultTimeout(patience)
  page.on('console', (message) => { if (message.type() === 'error' || message.type() === 'warning') fault(name, 'console:', message.text()) })
  page.on('pageerror', (error) => fault(name, 'script:', error.message))
  page.on('request', (request) => { if (new URL(request.url()).hostname !== '127.0.0.1') fault(name, 'asks', request.url()) })
  page.on('response', (response) => { if (response.status() >= 400 && !response.url().endsWith('/pause')) fault(name, response.url(), 'answers', response.status()) })
  await page.goto(address)
  return page
}

async function look(browser, name, address) {
  for (const [width, colorScheme] of [[1280, 'light'], [390, 'dark']]) {
    const what = `${name} ${width} ${colorScheme}`
    const page = await open(browser, what, address, { viewport: { width, height: 900 }, colorScheme })
    await page.getByText('live', { exact: true }).waitFor()
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
    if (overflow > 0) fault(what, 'the page is wider than the window by', overflow)
    const boxes = await page.evaluate(() => [...document.querySelectorAll('#graph a[data-box]')].map((a) => {
      const { width, height, x } = a.getBoundingClientRect()
      const target = document.getElementById(a.getAttribute('href').slice(1))
      return { box: a.dataset.box, ok: width > 20 && height > 20 && x > -1e5 && target !== null, text: a.querySelector('.figures').textContent }
    }))
    if (boxes.length < 2) fault(what, 'the graph has', boxes.length, 'boxes')
    for (const b of boxes) if (!b.ok || !/\/s/.test(b.text)) fault(what, 'box', b.box, 'is not there, has no row or no figures:', b.text)
    const touching = await page.evaluate(() => {
      const all = [...document.querySelectorAll('#graph a[data-box] rect')].map((r) => r.getBoundingClientRect())
      return all.filter((a, i) => all.some((b, j) => j > i && a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)).length
    })
    if (touching > 0) fault(what, touching, 'boxes lie on others')
    if (name === 'running') await running(page, what)
    await page.evaluate(axe.source)
    const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }))
    for (const v of violations) {
      if (v.impact === 'serious' || v.impact === 'critical') fault(what, 'axe:', v.id, v.help, v.nodes.slice(0, 2).map((n) => n.html).join(' '))
    }
    if (screenshots && name === 'running') await page.screenshot({ path: `${screenshots}/live-view-${width === 1280 ? 'light' : 'dark-narrow'}.png` })
    await page.context().close()
  }
}

// running looks at a page whose application gets records, one of which fails.
async function running(page, what) {
  const records = () => page.locator('#tasks tbody tr').first().locator('td').nth(3).textContent()
  await page.waitForFunction(() => /^[1-9]/.test(document.querySelector('#tasks tbody td:nth-of-type(4)')?.textContent ?? ''))
  const before = await records()
  await page.waitForFunction((before) => document.querySelector('#tasks tbody td:nth-of-type(4)').textContent !== before, before)
  await page.waitForFunction(() => [...document.querySelectorAll('#graph .figures')].some((f) => /^[1-9]/.test(f.textContent)))
  await page.waitForFunction(() => [...document.querySelectorAll('#graph .rate')].some((f) => /^[0-9]/.test(f.textContent)))
  await page.locator('#failures').getByText('a deliberate failure').first().waitFor()
  await page.locator('#failures tbody tr').first().getByText(/\[\d+\] at \d+/).waitFor()
  await page.locator('#graph a.failing').first().waitFor()
  await page.locator('#checkpoints tbody tr').first().waitFor()
  // By keyboard: from the graph to the row of a box.
  await page.locator('#graph a[data-box]').first().focus()
  await page.keyboard.press('Enter')
  if (!/#[nt]\d+$/.test(page.url())) fault(what, 'a box leads to', page.url())
  await page.evaluate(() => { history.replaceState(null, '', location.pathname); scrollTo(0, 0) })
}

// controls pauses and resumes the application by the form.
async function controls(browser, address) {
  const page = await open(browser, 'controls', address, {})
  await page.getByLabel('Token').fill('wrong')
  page.removeAllListeners('console') // the browser tells of the refusal
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.getByText('the token is wrong').waitFor()
  await page.getByLabel('Token').fill(token)
  await page.getByLabel('Reason').fill('a look by hand')
  await page.getByRole('button', { name: 'Pause' }).click()
  await page.locator('#answer').getByText('paused', { exact: true }).waitFor()
  await page.locator('#members').getByText('a look by hand').waitFor()
  await page.locator('#tasks').getByText('the task is paused').first().waitFor()
  await page.getByRole('button', { name: 'Resume' }).click()
  await page.locator('#answer').getByText('resumed', { exact: true }).waitFor()
  await page.locator('#members').getByText('a look by hand').waitFor({ state: 'detached' })
  await page.context().close()
}

async function withoutScripts(browser, address) {
  const page = await open(browser, 'without scripts', address, { javaScriptEnabled: false })
  for (const text of ['a deliberate failure', 'Checkpoints', 'Pause and resume']) await page.getByText(text).first().waitFor()
  if (await page.locator('#tasks tbody tr').count() < 1) fault('without scripts there are no tasks')
  await page.context().close()
}

main().catch((error) => fault('browser:', error.message))

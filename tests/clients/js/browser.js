// Runs a client of browsers in a real one: serves its page from an origin of its own, so that
// the browser asks Suanpan for leave (CORS) as it does for every site.
const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const { server, mode, count, chromium, untilTold, drive } = require('./plan')

const modules = process.env.NODE_PATH
const imports = {
  'posthog-js': '/modules/posthog-js/dist/module.mjs',
  'plausible-tracker': '/plausible.mjs',
  'sa-sdk-javascript': '/modules/sa-sdk-javascript/sensorsdata.es6.min.js',
  '@segment/analytics-next': '/segment.mjs',
}
const page = `<!doctype html><meta charset="utf-8"><title>Shop 商店</title>
<script>window.plan = ${fs.readFileSync(process.argv[2], 'utf8').replaceAll('<', '\\u003c')}</script>
<script type="importmap">${JSON.stringify({ imports })}</script>
<script src="/modules/@segment/analytics-next/dist/umd/index.js"></script>
<script type="module" src="/browser/${mode.split(' ')[0]}.mjs"></script>`
// What a bundler makes of their packages: one is a script with a global, one leaves out file endings.
const bundled = {
  '/': page,
  '/favicon.ico': '',
  '/segment.mjs': 'export const { AnalyticsBrowser } = window.AnalyticsNext',
  '/plausible.mjs': `const exports = {}, module = { exports }
    const require = (name) => parts[name]
    const parts = {}
    ${['request', 'tracker'].map(commonJs).join('\n')}
    export default parts['./tracker'].default`,
}

function commonJs(name) {
  const file = path.join(modules, 'plausible-tracker/build/main/lib', `${name}.js`)
  return `{ const exports = parts['./${name}'] = {}; ${fs.readFileSync(file, 'utf8').replace(/\/\/# sourceMapping.*/, '')} }`
}

function serve(request, response) {
  const name = new URL(request.url, 'http://page').pathname
  const file = name.startsWith('/modules/') ? path.join(modules, name.slice(9)) : path.join(__dirname, name)
  const type = name === '/' ? 'text/html' : 'text/javascript'
  const body = bundled[name] ?? (fs.existsSync(file) ? fs.readFileSync(file) : null)
  response.writeHead(body === null ? 404 : 200, { 'content-type': `${type}; charset=utf-8` }).end(body ?? '')
}

drive(async () => {
  const site = http.createServer(serve)
  await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve))
  const browser = await require('playwright-core').chromium.launch({
    executablePath: chromium.path,
    env: { ...process.env, ...chromium.env },
    args: ['--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
  })
  const tab = await browser.newPage({ locale: 'zh-CN' })
  tab.setDefaultTimeout(90_000)
  let sent = 0
  let waiting = 0
  const ours = (request) => request.url().startsWith(server) && request.method() !== 'OPTIONS'
  tab.on('request', (request) => ours(request) && ((sent += 1), (waiting += 1)))
  for (const end of ['requestfinished', 'requestfailed']) tab.on(end, (request) => ours(request) && (waiting -= 1))
  tab.on('pageerror', (error) => console.error('page:', error))
  tab.on('console', (message) => message.type() === 'error' && console.error('console:', message.text()))
  await tab.goto(`http://127.0.0.1:${site.address().port}/`)
  await tab.waitForFunction(() => window.done || window.failed, null)
  // Clients that send each event once and look at no answer have ended when all requests have.
  if (count) while (sent < count || waiting > 0) await tab.waitForTimeout(50)
  else await untilTold()
  await browser.close()
  site.close()
})

const { server, key, events, device, untilTold, drive } = require('./plan')
Object.assign(globalThis, {
  wx: require('./wx'),
  App: (app) => app,
  Page: (page) => page,
  Component: (component) => component,
  getApp: () => ({}),
  getCurrentPages: () => [{ route: 'pages/index', options: {} }],
})
// Its own default sends every 6 s.
const pace = { batch_send: { send_timeout: 300, max_length: 50 } }

drive(async () => {
  // quick start
  const sensors = require('sa-sdk-miniprogram')
  sensors.init({ server_url: `${server}/sa?project=${key}`, ...pace })
  sensors.track('order_paid', { amount: 19.9 })
  // end
  await new Promise((resolve) => setTimeout(resolve, 50))
  sensors.identify(device, true)
  for (const { call, name, user, time_ms, properties } of events) {
    const at = { ...properties, $time: new Date(time_ms) }
    if (call === 'login') sensors.login(user)
    if (call === 'track') sensors.track(name, at)
    if (call === 'page') sensors.track('$MPViewScreen', { ...at, $url_path: name })
    if (call === 'identify') sensors.setProfile(properties)
    if (call === 'set_once') sensors.setOnceProfile(properties)
    if (call === 'increment') sensors.incrementProfile(properties)
    if (call === 'append') sensors.appendProfile(Object.fromEntries(Object.entries(properties).map(([k, v]) => [k, v[0]])))
  }
  await untilTold()
})

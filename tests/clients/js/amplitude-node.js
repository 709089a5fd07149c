const { server, key, events, drive } = require('./plan')
// Its own default gathers for 10 s, and waits as long between tries.
const pace = { flushIntervalMillis: 300 }

drive(async () => {
  // quick start
  const amplitude = require('@amplitude/analytics-node')
  amplitude.init(key, { serverUrl: `${server}/2/httpapi`, ...pace })
  amplitude.track('order_paid', { amount: 19.9 }, { user_id: 'u-17' })
  // end
  const sent = []
  for (const { call, name, user, device, time_ms, properties } of events) {
    const who = { user_id: user, device_id: device, time: time_ms }
    const values = new amplitude.Identify()
    const each = (change) => Object.entries(properties ?? {}).forEach(([property, value]) => change(property, value))
    if (call === 'identify') each((property, value) => values.set(property, value))
    if (call === 'set_once') each((property, value) => values.setOnce(property, value))
    if (call === 'increment') each((property, value) => values.add(property, value))
    if (call === 'append') each((property, value) => values.append(property, value))
    if (call === 'unset') each((property) => values.unset(property))
    if (call === 'track') sent.push(amplitude.track(name, properties, who).promise)
    else sent.push(amplitude.identify(values, who).promise)
  }
  for (const { code, message } of await Promise.all(sent)) if (code !== 200) console.error(code, message)
})

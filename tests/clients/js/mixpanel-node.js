const { server, key, events, accepted, drive } = require('./plan')

drive(async () => {
  const { hostname, port } = new URL(server)
  // quick start
  const Mixpanel = require('mixpanel')
  const mixpanel = Mixpanel.init(key, { protocol: 'http', host: hostname, port })
  mixpanel.track('order_paid', { distinct_id: 'u-17', amount: 19.9 })
  // end
  const waiting = []
  const send = (n, call) =>
    waiting.push(new Promise((resolve) => call((error) => resolve(error ? console.error(n, error) : accepted([n].flat())))))
  const batch = []
  for (const { n, call, name, user, device, time_ms, properties } of events) {
    const distinct_id = user ?? device
    const event = { ...properties, distinct_id, time: new Date(time_ms) }
    if (call === 'track' && n % 2 === 0) send(n, (done) => mixpanel.track(name, event, done))
    if (call === 'track' && n % 2 === 1) batch.push({ event: name, properties: event, n })
    if (call === 'identify') send(n, (done) => mixpanel.people.set(distinct_id, properties, done))
    if (call === 'set_once') send(n, (done) => mixpanel.people.set_once(distinct_id, properties, done))
    if (call === 'increment') send(n, (done) => mixpanel.people.increment(distinct_id, properties, done))
    if (call === 'append') send(n, (done) => mixpanel.people.append(distinct_id, properties, done))
    if (call === 'unset') send(n, (done) => mixpanel.people.unset(distinct_id, Object.keys(properties), done))
    if (call === 'delete') send(n, (done) => mixpanel.people.delete_user(distinct_id, done))
    if (call === 'group') send(n, (done) => mixpanel.groups.set('company', name, properties, done))
    if (call === 'alias') send(n, (done) => mixpanel.alias(user, device, done))
  }
  for (let i = 0; i < batch.length; i += 50) {
    const part = batch.slice(i, i + 50)
    const ns = part.map(({ n }) => n)
    send(ns, (done) => mixpanel.track_batch(part.map(({ event, properties }) => ({ event, properties })), (errors) => done(errors?.[0])))
  }
  await Promise.all(waiting)
})

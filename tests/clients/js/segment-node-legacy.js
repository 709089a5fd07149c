const { server, key, events, drive } = require('./plan')
const call = require('./segment-calls')

drive(async () => {
  // quick start
  const Analytics = require('analytics-node')
  const analytics = new Analytics(key, { host: server })
  analytics.track({ userId: 'u-17', event: 'order_paid', properties: { amount: 19.9 } })
  // end
  await call(analytics, events)
})

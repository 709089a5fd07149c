const { server, key, events, drive } = require('./plan')
const call = require('./segment-calls')

drive(async () => {
  // quick start
  const Analytics = require('@rudderstack/rudder-sdk-node')
  const analytics = new Analytics(key, { dataPlaneUrl: server })
  analytics.track({ userId: 'u-17', event: 'order_paid', properties: { amount: 19.9 } })
  // end
  await call(analytics, events)
})

const { server, key, events, accepted, drive } = require('./plan')
const call = require('./sensors-calls')

drive(async () => {
  // quick start
  const SensorsAnalytics = require('sa-sdk-node')
  const sa = new SensorsAnalytics()
  const submitter = sa.submitTo({ url: `${server}/sa?project=${key}` }, { count: 20, timeSpan: 500 })
  sa.track('u-17', 'order_paid', { amount: 19.9 })
  // end
  call(sa, events)
  // What is gathered goes out when the stream of events ends.
  sa.onCompleted()
  while (submitter.dataQueue.executing) await new Promise((resolve) => setTimeout(resolve, 20))
})
